import { Command } from 'commander';
import { systemClock } from '../../adapters/system/clock.ts';
import { connect } from '../connection.ts';
import { advise } from '../output/failure.ts';
import { jsonLine } from '../output/json-lines.ts';
import { type Column, table } from '../output/table.ts';
import { ago } from '../output/times.ts';
import { bytes } from '../output/units.ts';
import { hostEnrolVerb } from './host-enrol.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

const COLUMNS: readonly Column[] = [
  { head: 'host', wraps: 12 },
  { head: 'VMs', wraps: 12 },
  { head: 'free', align: 'right' },
  { head: 'seen', align: 'right' },
];

async function run(options: { cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  const { hosts } = await client.call('listHosts', {});
  if (options.json) {
    for (const host of hosts) jsonLine('host', { host });
    return;
  }
  const nowMs = systemClock.nowMs();
  const rows = hosts.map((each) => [
    each.host,
    each.vms.join(' ') || '–',
    bytes(each.free_bytes),
    each.seen_ms === 0 ? 'not yet' : ago(each.seen_ms, nowMs),
  ]);
  if (rows.length === 0) return advise('no agent has enrolled yet: `layermover agent --help`');
  process.stdout.write(`${table(COLUMNS, rows)}\n`);
  if (hosts.every((each) => each.vms.length === 0))
    advise('no host announced a VM; `layermover doctor --images DIR` tells which files are left out, and why');
}

export function hostVerb(): Command {
  return new Command('host')
    .description('Hosts, and who speaks for them.')
    .addCommand(
      verb('list', 'List hosts, and the VMs they announced.', 'layermover host list')
        .option(...CLOUD_OPTION)
        .action(run),
    )
    .addCommand(hostEnrolVerb());
}
