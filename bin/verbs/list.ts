import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { jsonLine } from '../output/json-lines.ts';
import { list } from '../output/report.ts';
import { allPages, limitOf } from '../pages.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

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
    new Date(each.created_ms).toISOString(),
  ]);
  process.stdout.write(`${list(['migration', 'state', 'VMs', 'to', 'requested'], rows)}\n`);
}

export function listVerb(): Command {
  return verb('list', 'List migrations, newest first.', 'layermover list --limit 50')
    .option('--limit <n>', 'how many', '20')
    .option(...CLOUD_OPTION)
    .action(run);
}
