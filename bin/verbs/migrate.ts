import { type Command, Option } from 'commander';
import type { ApiClient } from '../../adapters/api/client.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { hostRef } from '../../core/api/names.ts';
import { migrationRequest } from '../../core/api/views.ts';
import { toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { POLICIES } from '../../core/plan.ts';
import { connect } from '../connection.ts';
import { usage } from '../exit-codes.ts';
import { follow } from '../follow.ts';
import { jsonLine } from '../output/json-lines.ts';
import { reportPlace } from '../report/file.ts';
import { findRunning } from '../running.ts';
import { addLiveOptions, type LiveWords, liveRequest } from './live-options.ts';
import { CLOUD_OPTION, REPORT_OPTION, verb } from './verb.ts';

interface Options extends LiveWords {
  to: string;
  from?: string;
  policy: string;
  kinds?: string;
  chunk: string;
  requestId?: string;
  detach?: boolean;
  report?: string;
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
    ...liveRequest(options),
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw usage(
    `${issue?.path.join('.') ?? 'request'}: ${issue?.message ?? 'is not valid'}`,
    'layermover migrate --help has an example',
  );
}

/** Asks for a migration, unless it is one that runs already and its request has no id of its own. */
export async function requestMigration(client: ApiClient, vms: readonly string[], options: Options): Promise<string> {
  const body = requestOf(vms, options);
  const running = options.requestId === undefined ? await findRunning(client, body) : undefined;
  if (running === undefined) return (await client.call('createMigration', { body })).id;
  process.stderr.write('this move is under way already\n');
  return running;
}

async function run(vms: string[], options: Options): Promise<void> {
  if (options.detach && options.report !== undefined)
    throw usage(
      '--report waits for the end, which --detach does not',
      '`layermover report ID --out FILE` makes it later',
    );
  const client = await connect(options.cloud);
  const reportTo = options.report === undefined ? undefined : await reportPlace(options.report);
  const id = await requestMigration(client, vms, options);
  if (!options.detach) await follow(client, id, { json: options.json === true, reportTo });
  else if (options.json) jsonLine('requested', { migration: id });
  else process.stdout.write(`${id}\n`);
}

export function migrateVerb(): Command {
  const command = verb(
    'migrate',
    'Move VMs, together, to another host: stopped ones, or running ones with --live.',
    'layermover migrate web-1 web-2 --to site-b/host-7',
  )
    .argument('<vm...>', `names of the VMs, ${limits.gang_vms_max} at the most; base layers they share are sent once`)
    .requiredOption('--to <site/host>', 'where to')
    .option('--from <site/host>', 'where from, if several hosts have a VM of that name')
    .addOption(
      new Option('--policy <policy>', 'treatment of layers the destination lacks').choices(POLICIES).default('auto'),
    )
    .option('--kinds <kinds>', 'kinds of the layers, bottom first, for instance os,we,ud')
    .option('--chunk <bytes>', 'chunk size', String(limits.chunk_bytes_default));
  return addLiveOptions(command)
    .option('--request-id <id>', 'the same id again is the same migration')
    .option('--detach', 'do not wait for the end')
    .option(...REPORT_OPTION)
    .option(...CLOUD_OPTION)
    .action(run);
}
