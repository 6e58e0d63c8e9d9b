import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { EXIT } from '../exit-codes.ts';
import { jsonLine } from '../output/json-lines.ts';
import { stopSignal } from '../signals.ts';
import { watch } from '../watch.ts';
import { CLOUD_OPTION, migrationArgument, verb } from './verb.ts';

async function run(id: string, options: { cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  await client.call('abortMigration', { params: { migration: id } });
  const hint = `\`layermover status ${id} --watch\` shows how far it is`;
  const signal = stopSignal(`no longer watching; migration ${id} is being aborted without this command`, hint);
  const ended = await watch(client, id, options.json === true, signal);
  if (ended.state !== 'aborted') process.exitCode = EXIT.failed;
  if (options.json) return jsonLine('migration', { migration: ended });
  for (const vm of ended.vms) process.stdout.write(`${vm.name} ${vm.state}\n`);
  process.stdout.write(`${id} ${ended.state}\n`);
}

export function abortVerb(): Command {
  return verb(
    'abort',
    'Abort a migration: VMs not committed yet stay with their source.',
    'layermover abort m0123456789abcdef0123',
  )
    .addArgument(migrationArgument('its id'))
    .option(...CLOUD_OPTION)
    .action(run);
}
