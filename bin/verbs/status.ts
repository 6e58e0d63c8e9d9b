import type { Command } from 'commander';
import { hasEnded } from '../../core/migration.ts';
import { connect } from '../connection.ts';
import { follow } from '../follow.ts';
import { expectation } from '../output/forecast.ts';
import { jsonLine } from '../output/json-lines.ts';
import { wishWords } from '../output/live.ts';
import { planReport } from '../output/plan.ts';
import { report } from '../output/report.ts';
import { visibleLines } from '../output/visible.ts';
import { CLOUD_OPTION, migrationArgument, verb } from './verb.ts';

async function run(id: string, options: { watch?: boolean; cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  const migration = await client.call('getMigration', { params: { migration: id } });
  if (options.watch && !hasEnded(migration.state)) return follow(client, id, { json: options.json === true });
  if (options.json) return jsonLine('migration', { migration });
  const words = [`${migration.id} ${migration.state}`, `to ${migration.to}`, ...wishWords(migration)];
  process.stdout.write(`${words.join(', ')}\n`);
  if (migration.state === 'planned') process.stdout.write(`${planReport(migration, { explain: false })}\n`);
  else if (migration.vms.length > 0)
    process.stdout.write(`${[report(migration), ...expectation(migration)].join('\n')}\n`);
  for (const error of [migration.error, ...migration.vms.map((vm) => vm.error)]) {
    if (error !== undefined) process.stdout.write(`error: ${visibleLines(error.message)} (${error.code})\n`);
  }
}

export function statusVerb(): Command {
  return verb('status', 'Show a migration.', 'layermover status m0123456789abcdef0123 --watch')
    .addArgument(migrationArgument('its id'))
    .option('--watch', 'go on until it has ended')
    .option(...CLOUD_OPTION)
    .action(run);
}
