import { Command } from 'commander';
import type { DamagedObject, RebuildCounts } from '../../core/api/rebuild.ts';
import { connect, connectPublic } from '../connection.ts';
import { jsonLine } from '../output/json-lines.ts';
import { paint } from '../output/paint.ts';
import { bytes } from '../output/units.ts';
import { visible } from '../output/visible.ts';
import { rebuild } from '../rebuild.ts';
import { stopSignal } from '../signals.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

interface Options {
  check?: boolean;
  published?: boolean;
  cloud?: string;
  json?: boolean;
}

function tellDamage({ kind, id, what }: DamagedObject, json: boolean): void {
  if (json) jsonLine('damaged', { kind, id, what });
  else process.stdout.write(`${paint.red('damaged')} ${kind} ${id}: ${visible(what)}\n`);
}

function tellEnd(counts: RebuildCounts, damaged: number): void {
  const checked = counts.bytes_checked > 0 ? `, ${bytes(counts.bytes_checked)} of chunks checked` : '';
  const lines = [
    `packs       ${counts.packs_read} read${checked}`,
    `rows        ${counts.rows_written} written, ${counts.rows_removed} removed`,
    `placements  ${counts.placements_rebuilt} made anew`,
    `layers      ${counts.layers_complete} complete, ${counts.layers_incomplete} withdrawn`,
    `damaged     ${damaged} named, ${counts.objects_removed} objects taken out`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (counts.layers_incomplete > 0)
    process.stderr.write('hosts that have withdrawn layers send what is missing with the next migration\n');
}

async function run(options: Options): Promise<void> {
  const json = options.json === true;
  const client = options.published ? await connectPublic(options.cloud) : await connect(options.cloud);
  const signal = stopSignal(
    'the rebuild was stopped; what it has done stays done',
    '`layermover index rebuild` begins again and ends it',
  );
  let damaged = 0;
  let last: RebuildCounts | undefined;
  for await (const { phase, counts, damaged: found } of rebuild(client, options.check === true, signal)) {
    for (const each of found) tellDamage(each, json);
    damaged += found.length;
    last = counts;
    if (json) jsonLine('rebuilding', { phase, ...counts });
    else process.stderr.write(`${phase}: ${counts.packs_read} packs read, ${counts.rows_written} rows written\n`);
  }
  if (last === undefined) return;
  if (json) jsonLine('rebuilt', { ...last, damaged });
  else tellEnd(last, damaged);
}

export function indexVerb(): Command {
  return new Command('index').description('The index of what the store holds.').addCommand(
    verb(
      'rebuild',
      'Make index rows and placements again from packs, and take out what is damaged, so that it can be sent anew.',
      'layermover index rebuild --check',
    )
      .option('--check', 'read every pack and check every chunk, not footers alone')
      .option('--published', 'of the published layers, not of the namespace’s own')
      .option(...CLOUD_OPTION)
      .action(run),
  );
}
