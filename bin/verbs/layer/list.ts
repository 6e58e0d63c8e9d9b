import type { Command } from 'commander';
import { connect } from '../../connection.ts';
import { advise } from '../../output/failure.ts';
import { jsonLine } from '../../output/json-lines.ts';
import { type Column, table } from '../../output/table.ts';
import { bytes } from '../../output/units.ts';
import { visible } from '../../output/visible.ts';
import { allPages, limitOf } from '../../pages.ts';
import { CLOUD_OPTION, verb } from '../verb.ts';

const COLUMNS: readonly Column[] = [
  { head: 'layer' },
  { head: 'kind' },
  { head: 'name', wraps: 8 },
  { head: 'holds', align: 'right' },
  { head: 'over' },
  { head: 'stored in' },
  { head: 'present at', wraps: 8 },
];

async function run(options: { limit: string; published?: boolean; cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  const published = String(options.published === true);
  const layers = await allPages(limitOf(options.limit), async (query) => {
    const page = await client.call('listLayers', { query: { ...query, published } });
    return { items: page.layers, next: page.next };
  });
  if (options.json) {
    for (const layer of layers) jsonLine('layer', { layer });
    return;
  }
  const rows = layers.map((layer) => [
    layer.layer_id.slice(0, 16),
    layer.kind,
    visible(layer.name),
    bytes(layer.logical_bytes),
    layer.parent?.slice(0, 16) ?? '–',
    [...(layer.stored ? ['store'] : []), ...(layer.published ? ['public'] : [])].join(' ') || '–',
    layer.holders.join(' ') || '–',
  ]);
  if (rows.length === 0)
    return advise(
      options.published
        ? 'nothing is published yet: `layermover layer register --publish`'
        : 'no base layer is known yet: migrations bring them, `layermover layer register` tells of them before',
    );
  process.stdout.write(`${table(COLUMNS, rows)}\n`);
}

export function layerListVerb(): Command {
  return verb('list', 'List them, and the hosts that hold them.', 'layermover layer list')
    .option('--published', 'those that every namespace may read')
    .option('--limit <n>', 'how many', '100')
    .option(...CLOUD_OPTION)
    .action(run);
}
