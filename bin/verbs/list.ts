import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { advise } from '../output/failure.ts';
import { jsonLine } from '../output/json-lines.ts';
import { type Column, table } from '../output/table.ts';
import { moment } from '../output/times.ts';
import { allPages, limitOf } from '../pages.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

const COLUMNS: readonly Column[] = [
  { head: 'migration' },
  { head: 'state' },
  { head: 'VMs', wraps: 10 },
  { head: 'to', wraps: 10 },
  { head: 'requested' },
];

async function run(options: { limit: string; cloud?: string; json?: boolean }): Promise<void> {
  const client = await connect(options.cloud);
  const migrations = await allPages(limitOf(options.limit), async (query) => {
    const page = await client.call('listMigrations', { query });
    return { items: page.migrations, next: page.next };
  });
  if (options.json) {
    for (const migration of migrations) jsonLine('migration', { migration });
    return;
  }
  const rows = migrations.map((each) => [
    each.id,
    each.state,
    each.vm_names.join(' '),
    each.to,
    moment(each.created_ms),
  ]);
  if (rows.length === 0) return advise('there are no migrations yet: `layermover migrate --help`');
  process.stdout.write(`${table(COLUMNS, rows)}\n`);
}

export function listVerb(): Command {
  return verb('list', 'List migrations, newest first.', 'layermover list --limit 50')
    .option('--limit <n>', 'how many', '20')
    .option(...CLOUD_OPTION)
    .action(run);
}
