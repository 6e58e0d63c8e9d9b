import type { Command } from 'commander';
import type { StoredLayerView, WithdrawAnswer } from '../../../core/api/views.ts';
import { limits } from '../../../core/limits.ts';
import { connect } from '../../connection.ts';
import { jsonLine } from '../../output/json-lines.ts';
import { visible } from '../../output/visible.ts';
import { CLOUD_OPTION, verb } from '../verb.ts';
import { findLayer } from './layer-id.ts';

interface Options {
  published?: boolean;
  force?: boolean;
  cloud?: string;
  json?: boolean;
}

/** What happens now, and what does not. */
function words(layer: StoredLayerView, { stored, holders }: WithdrawAnswer, isPublished: boolean): string[] {
  const days = limits.garbage_grace_ms / (24 * 3600_000);
  const from = isPublished ? 'what every namespace may read' : 'the store';
  return [
    stored
      ? `${visible(layer.name)} is withdrawn from ${from}; what nothing else needs of it goes ${days} days after the next collection has found that`
      : `${visible(layer.name)} is no longer listed; the store had nothing of it`,
    'migrations that rely on it go on as they were',
    ...(holders.length === 0 ? [] : [`held as before at ${holders.join(' ')}: files of hosts are not touched`]),
  ];
}

async function run(id: string, options: Options): Promise<void> {
  const published = options.published === true;
  const client = await connect(options.cloud);
  const layer = await findLayer(client, id, published);
  const withdrawn = await client.call('withdrawLayer', {
    params: { layer: layer.layer_id },
    body: { published, force: options.force === true },
  });
  if (options.json) return jsonLine('withdrawn', { ...withdrawn, published });
  process.stdout.write(`${words(layer, withdrawn, published).join('\n')}\n`);
}

export function layerRmVerb(): Command {
  return verb(
    'rm',
    'Withdraw one from the store. Hosts keep it; garbage collection removes what nothing else needs of it.',
    'layermover layer rm 3f9a01c2 --published',
  )
    .argument('<layer>', 'its id, or the first digits of it')
    .option('--published', 'from what every namespace may read, not from this namespace’s store')
    .option('--force', 'though no host of this namespace holds it')
    .option(...CLOUD_OPTION)
    .action(run);
}
