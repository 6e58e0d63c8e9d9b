import type { Command } from 'commander';
import { connect } from '../connection.ts';
import { reportPlace } from '../report/file.ts';
import { makeReport } from '../report/make.ts';
import { CLOUD_OPTION, migrationArgument, verb } from './verb.ts';

async function run(
  id: string,
  options: { out: string; force?: boolean; cloud?: string; json?: boolean },
): Promise<void> {
  const client = await connect(options.cloud);
  const place = await reportPlace(options.out, { force: options.force === true });
  const migration = await client.call('getMigration', { params: { migration: id } });
  await makeReport(client, migration, place, options.json === true);
}

export function reportVerb(): Command {
  return verb(
    'report',
    'Write a page with a picture of what a migration skipped, deduplicated and sent, and the proof. It needs no network to be read.',
    'layermover report m0123456789abcdef0123 --out report.html',
  )
    .addArgument(migrationArgument('its id'))
    .requiredOption('--out <file>', 'the page; an older report there is replaced')
    .option('--force', 'replace a file that is no report, too')
    .option(...CLOUD_OPTION)
    .action(run);
}
