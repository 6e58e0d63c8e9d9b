import type { Command } from 'commander';
import type { ApiClient } from '../../adapters/api/client.ts';
import type { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { connect } from '../connection.ts';
import { usage } from '../exit-codes.ts';
import { follow } from '../follow.ts';
import { reportPlace } from '../report/file.ts';
import { CLOUD_OPTION, migrationArgument, REPORT_OPTION, verb } from './verb.ts';

async function run(
  id: string | undefined,
  options: { report?: string; cloud?: string; json?: boolean },
): Promise<void> {
  const client = await connect(options.cloud);
  if (id === undefined) throw await idMissing(client);
  const reportTo = options.report === undefined ? undefined : await reportPlace(options.report);
  const params = { migration: id };
  const { state, run } = await client.call('getMigration', { params });
  if (state === 'committed') process.stderr.write(`migration ${id} is committed already\n`);
  else if (state === 'failed' || state === 'aborted') await client.call('resumeMigration', { params, body: { run } });
  await follow(client, id, { json: options.json === true, reportTo });
}

/** Which migration is meant the user must say; the hint names those that could be. */
async function idMissing(client: ApiClient): Promise<LayerMoverError> {
  const { migrations } = await client.call('listMigrations', { query: { limit: limits.page_items_max } });
  const failed = migrations.filter((each) => each.state === 'failed');
  const named = failed.slice(0, 5).map((each) => `${each.id} (${each.vm_names.join(', ')} to ${each.to})`);
  return usage(
    'say which migration',
    named.length === 0 ? 'none has failed; `layermover list` shows all' : `failed: ${named.join('; ')}`,
  );
}

export function resumeVerb(): Command {
  return verb(
    'resume',
    'Go on with a migration that failed: what was sent is not sent again. Follows one that runs.',
    'layermover resume m0123456789abcdef0123',
  )
    .addArgument(migrationArgument('its id').argOptional())
    .option(...REPORT_OPTION)
    .option(...CLOUD_OPTION)
    .action(run);
}
