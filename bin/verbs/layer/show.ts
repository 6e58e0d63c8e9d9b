import type { Command } from 'commander';
import type { StoredLayerView } from '../../../core/api/views.ts';
import { connect } from '../../connection.ts';
import { jsonLine } from '../../output/json-lines.ts';
import { moment } from '../../output/times.ts';
import { bytes } from '../../output/units.ts';
import { visible } from '../../output/visible.ts';
import { CLOUD_OPTION, verb } from '../verb.ts';
import { findLayer } from './layer-id.ts';

interface Options {
  published?: boolean;
  cloud?: string;
  json?: boolean;
}

function storedWords({ stored, published }: StoredLayerView): string {
  if (stored) return 'yes: a source sends nothing of it';
  return `no: ${published ? 'it is taken from what is published' : 'the first migration that brings it stores it'}`;
}

function tell(layer: StoredLayerView): void {
  const rows: readonly (readonly [string, string])[] = [
    ['layer', layer.layer_id],
    ['kind', `${layer.kind} ${visible(layer.name)}`],
    ['over', layer.parent ?? 'nothing: it is a bottom layer'],
    [
      'holds',
      `${bytes(layer.logical_bytes)} of ${bytes(layer.virtual_bytes)}, in chunks of ${layer.chunk_bytes} bytes`,
    ],
    ['known', `since ${moment(layer.recorded_ms)}`],
    ['stored', storedWords(layer)],
    ['published', layer.published ? 'yes: every namespace may read it' : 'no'],
    ['present at', layer.holders.join(' ') || 'no host of this namespace'],
  ];
  process.stdout.write(`${rows.map(([name, value]) => `${name.padEnd(11)} ${value}`).join('\n')}\n`);
}

async function run(id: string, options: Options): Promise<void> {
  const client = await connect(options.cloud);
  const layer = await findLayer(client, id, options.published === true);
  if (options.json) jsonLine('layer', { layer });
  else tell(layer);
}

export function layerShowVerb(): Command {
  return verb('show', 'Show one, where it is stored and which hosts hold it.', 'layermover layer show 3f9a01c2')
    .argument('<layer>', 'its id, or the first digits of it')
    .option('--published', 'look for the first digits among what every namespace may read')
    .option(...CLOUD_OPTION)
    .action(run);
}
