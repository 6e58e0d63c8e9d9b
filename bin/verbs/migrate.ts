import { type Command, Option } from 'commander';
import type { ApiClient } from '../../adapters/api/client.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { hostRef } from '../../core/api/names.ts';
import { migrationRequest } from '../../core/api/views.ts';
import { errorFromJson } from '../../core/errors.ts';
import { toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { POLICIES } from '../../core/plan.ts';
import { connect } from '../connection.ts';
import { EXIT, exitCodeOf, usage } from '../exit-codes.ts';
import { complain } from '../output/failure.ts';
import { jsonLine } from '../output/json-lines.ts';
import { report } from '../output/report.ts';
import { summary, watch } from '../watch.ts';
import { CLOUD_OPTION, verb } from './verb.ts';

interface Options {
  to: string;
  from?: string;
  policy: string;
  kinds?: string;
  chunk: string;
  requestId?: string;
  detach?: boolean;
  cloud?: string;
  json?: boolean;
}

function requestOf(vms: readonly string[], options: Options) {
  if (!hostRef.safeParse(options.to).success)
    throw usage(`--to ${options.to} is not SITE/HOST`, 'for instance --to site-b/host-7');
  const parsed = migrationRequest.safeParse({
    request_id: options.requestId ?? toHex(systemRandom.bytes(16)),
    vms,
    to: options.to,
    from: options.from,
    policy: options.policy,
    kinds: options.kinds?.split(','),
    chunk_bytes: Number(options.chunk),
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw usage(
    `${issue?.path.join('.') ?? 'request'}: ${issue?.message ?? 'is not valid'}`,
    'layermover migrate --help has an example',
  );
}

/** Asks for a migration. */
export async function requestMigration(client: ApiClient, vms: readonly string[], options: Options): Promise<string> {
  const { id } = await client.call('createMigration', { body: requestOf(vms, options) });
  return id;
}

async function run(vms: string[], options: Options): Promise<void> {
  const client = await connect(options.cloud);
  const id = await requestMigration(client, vms, options);
  process.stderr.write(`migration ${id}\n`);
  if (options.detach) {
    if (options.json) jsonLine('requested', { migration: id });
    else process.stdout.write(`${id}\n`);
    return;
  }
  await follow(client, id, options.json === true);
}

/** Watches a migration to its end and prints the report. */
export async function follow(client: ApiClient, id: string, json: boolean): Promise<void> {
  const ended = await watch(client, id, json);
  if (json)
    jsonLine('summary', {
      migration: id,
      state: ended.state,
      ...summary([ended]),
      ...(ended.error ? { error: ended.error } : {}),
    });
  else if (ended.vms.length > 0) process.stdout.write(`${report(ended)}\n`);
  if (ended.state === 'committed') return;
  process.exitCode = ended.error ? exitCodeOf(errorFromJson(ended.error)) : EXIT.failed;
  const errors = [ended.error, ...ended.vms.map((vm) => vm.error)].filter((error) => error !== undefined);
  for (const error of new Map(errors.map((each) => [each.message, each])).values()) complain(error);
  process.stderr.write(`migration ${id} is ${ended.state}; VMs that are not committed stay with their source\n`);
}

export function migrateVerb(): Command {
  return verb(
    'migrate',
    'Move stopped VMs, together, to another host.',
    'layermover migrate web-1 web-2 --to site-b/host-7',
  )
    .argument('<vm...>', `names of the VMs, ${limits.gang_vms_max} at the most; base layers they share are sent once`)
    .requiredOption('--to <site/host>', 'where to')
    .option('--from <site/host>', 'where from, if several hosts have a VM of that name')
    .addOption(
      new Option('--policy <policy>', 'treatment of layers the destination lacks').choices(POLICIES).default('auto'),
    )
    .option('--kinds <kinds>', 'kinds of the layers, bottom first, for instance os,we,ud')
    .option('--chunk <bytes>', 'chunk size', String(limits.chunk_bytes_default))
    .option('--request-id <id>', 'the same id again is the same migration')
    .option('--detach', 'do not wait for the end')
    .option(...CLOUD_OPTION)
    .action(run);
}
