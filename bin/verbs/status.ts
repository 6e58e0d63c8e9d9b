import type { Command } from 'commander';
import { hasEnded } from '../../core/migration.ts';
import { connect } from '../connection.ts';
import { jsonLine } from '../output/json-lines.ts';
import { report } from '../output/report.ts';
import { follow } from './migrate.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

async function run(id: string, options: { watch?: boolean; cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  const migration = await client.call('getMigration', { params: { migration: id } });
  if (options.watch && !hasEnded(migration.state)) return follow(client, id, options.json === true);
  if (options.json) return jsonLine('migration', { migration });
  process.stdout.write(`${migration.id} ${migration.state}, to ${migration.to}\n`);
  if (migration.vms.length > 0) process.stdout.write(`${report(migration)}\n`);
  if (migration.error) process.stdout.write(`error: ${migration.error.message} (${migration.error.code})\n`);
}

export function statusVerb(): Command {
  return verb('status', 'Show a migration.', 'layermover status m0123456789abcdef0123 --watch')
    .argument('<migration>', 'its id')
    .option('--watch', 'go on until it has ended')
    .option(...CLOUD_OPTION)
    .action(run);
}
