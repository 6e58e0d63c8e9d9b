import type { Command } from 'commander';
import type { CollectionView } from '../../core/api/garbage.ts';
import { errorFromJson } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { collect } from '../collect.ts';
import { connect, connectPublic } from '../connection.ts';
import { jsonLine } from '../output/json-lines.ts';
import { table } from '../output/table.ts';
import { bytes } from '../output/units.ts';
import { stopSignal } from '../signals.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

interface Options {
  dryRun?: boolean;
  published?: boolean;
  cloud?: string;
  json?: boolean;
}

/** Kinds of objects as a person knows them, from the bulk of the bytes to the smallest. */
const KINDS = [
  ['packs', 'packs'],
  ['placements', 'placements'],
  ['segments', 'segments'],
  ['layers', 'roots'],
  ['migrations', 'of single migrations'],
] as const;

type Tally = CollectionView['objects']['packs']['needed'];

function tell({ objects, dry_run, ...view }: CollectionView): void {
  const cells = (tally: Tally) => [String(tally.objects), bytes(tally.bytes)];
  const rows = KINDS.map(([kind, name]) => {
    const { needed, waiting, removed } = objects[kind];
    return [name, ...cells(needed), ...cells(waiting), ...cells(removed)];
  });
  const right = (head: string) => ({ head, align: 'right' as const });
  const heads = ['needed', '', 'waiting', '', dry_run ? 'would go' : 'removed', ''].map(right);
  const days = limits.garbage_grace_ms / (24 * 3600_000);
  const lines = [
    table([{ head: 'objects' }, ...heads], rows),
    `layers   ${view.layers_kept} kept, ${view.layers_withdrawn} ${dry_run ? 'would be ' : ''}withdrawn: no host holds them, and no migration has used them for long`,
    ...(dry_run ? [] : [`rows     ${view.rows_removed} removed from the index`]),
    `waiting  nothing needs these; they go once nothing has needed them for ${days} days`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function run(options: Options): Promise<void> {
  const json = options.json === true;
  const client = options.published ? await connectPublic(options.cloud) : await connect(options.cloud);
  const signal = stopSignal(
    'no longer watching; the garbage collection goes on without this command',
    '`layermover gc --dry-run`, after it has ended, tells what is left',
  );
  let phase: string | undefined;
  for await (const view of collect(client, options.dryRun === true, signal)) {
    if (json) jsonLine(view.state === 'running' ? 'collecting' : 'collected', { collection: view });
    else if (view.phase !== phase && view.state === 'running') process.stderr.write(`${view.phase}\n`);
    phase = view.phase;
    if (view.error !== undefined) throw errorFromJson(view.error);
    if (view.state !== 'running' && !json) tell(view);
  }
}

export function gcVerb(): Command {
  return verb('gc', 'Remove from the store what nothing has needed for long.', 'layermover gc --dry-run')
    .option('--dry-run', 'tell what would go, and change nothing')
    .option('--published', 'in the store of published layers, not in the namespace’s own')
    .option(...CLOUD_OPTION)
    .action(run);
}
