import { Command } from 'commander';
import { connect } from '../connection.ts';
import { jsonLine } from '../output/json-lines.ts';
import { list } from '../output/report.ts';
import { bytes } from '../output/units.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

async function run(options: { cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  const { hosts } = await client.call('listHosts', {});
  if (options.json) {
    for (const host of hosts) jsonLine('host', { host });
    return;
  }
  const rows = hosts.map((each) => [
    each.host,
    each.vms.join(' ') || '–',
    bytes(each.free_bytes),
    new Date(each.seen_ms).toISOString(),
  ]);
  process.stdout.write(`${list(['host', 'VMs', 'free', 'seen'], rows)}\n`);
}

export function hostVerb(): Command {
  return new Command('host').description('Hosts whose agents have enrolled.').addCommand(
    verb('list', 'List them, and the VMs they announced.', 'layermover host list')
      .option(...CLOUD_OPTION)
      .action(run),
  );
}
