import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { jsonLine } from '../output/json-lines.ts';
import { watch } from '../watch.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

async function run(id: string, options: { cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  await client.call('abortMigration', { params: { migration: id } });
  const ended = await watch(client, id, options.json === true);
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
    .argument('<migration>', 'its id')
    .option(...CLOUD_OPTION)
    .action(run);
}
