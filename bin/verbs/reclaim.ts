import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { jsonLine } from '../output/json-lines.ts';
import { CLOUD_OPTION, migrationArgument, verb } from './verb.ts';

interface Options {
  cloud?: string;
  json?: boolean;
}

async function run(migration: string, vm: string, options: Options): Promise<void> {
  const client = await connect(options.cloud);
  const { owner, epoch } = await client.call('reclaim', { params: { migration }, body: { vm, force: true } });
  if (options.json) jsonLine('reclaimed', { migration, vm, owner, epoch });
  else process.stdout.write(`${vm} is ${owner}’s\n`);
}

export function reclaimVerb(): Command {
  return verb(
    'reclaim',
    'Take a VM back to its source by force, after its destination was lost.',
    'layermover reclaim m0123456789abcdef0123 web-1 --force',
  )
    .addArgument(migrationArgument('the migration that brought it away'))
    .argument('<vm>', 'its name')
    .requiredOption('--force', 'needed: the VM does not run at its destination, I have seen to that')
    .option(...CLOUD_OPTION)
    .action(run);
}
