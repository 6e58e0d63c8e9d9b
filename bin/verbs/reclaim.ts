import { type Command, Option } from 'commander';
import { connect } from '../connection.ts';
import { jsonLine } from '../output/json-lines.ts';
import { CLOUD_OPTION, migrationArgument, verb } from './verb.ts';

interface Options {
  side: 'source' | 'destination';
  cloud?: string;
  json?: boolean;
}

async function run(migration: string, vm: string, options: Options): Promise<void> {
  const client = await connect(options.cloud);
  const { owner, epoch } = await client.call('reclaim', {
    params: { migration },
    body: { vm, force: true, side: options.side },
  });
  if (options.json) jsonLine('reclaimed', { migration, vm, owner, epoch });
  else process.stdout.write(`${vm} is ${owner}’s\n`);
}

export function reclaimVerb(): Command {
  return verb(
    'reclaim',
    'Say by force whose a VM is, after its destination or its source was lost.',
    'layermover reclaim m0123456789abcdef0123 web-1 --force',
  )
    .addArgument(migrationArgument('the migration that brought it away'))
    .argument('<vm>', 'its name')
    .requiredOption('--force', 'needed: the VM does not run at the other side, I have seen to that')
    .addOption(new Option('--side <side>', 'whose it is to be').choices(['source', 'destination']).default('source'))
    .option(...CLOUD_OPTION)
    .action(run);
}
