import { type Command, Option } from 'commander';
import type { ApiClient } from '../../adapters/api/client.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { hostRef } from '../../core/api/names.ts';
import { type MigrationRequest, migrationRequest } from '../../core/api/views.ts';
import { toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { POLICIES } from '../../core/treatments.ts';
import { usage } from '../exit-codes.ts';
import { findRunning } from '../running.ts';
import { addLiveOptions, type LiveWords, liveRequest } from './live-options.ts';

/** What moves, where to and how, as words of a call: of `migrate`, and of `plan`, which asks what it would take. */
export interface RequestWords extends LiveWords {
  to: string;
  from?: string;
  policy: string;
  kinds?: string;
  chunk: string;
  requestId?: string;
}

export function addRequestWords(command: Command): Command {
  command
    .argument('<vm...>', `names of the VMs, ${limits.gang_vms_max} at the most; base layers they share are sent once`)
    .requiredOption('--to <site/host>', 'where to')
    .option('--from <site/host>', 'where from, if several hosts have a VM of that name')
    .addOption(
      new Option('--policy <policy>', 'treatment of layers the destination lacks').choices(POLICIES).default('auto'),
    )
    .option('--kinds <kinds>', 'kinds of the layers, bottom first, for instance os,we,ud')
    .option('--chunk <bytes>', 'chunk size', String(limits.chunk_bytes_default));
  return addLiveOptions(command).option('--request-id <id>', 'the same id again is the same migration');
}

function requestOf(vms: readonly string[], words: RequestWords, planOnly: boolean): MigrationRequest {
  if (!hostRef.safeParse(words.to).success)
    throw usage(`--to ${words.to} is not SITE/HOST`, 'for instance --to site-b/host-7');
  const parsed = migrationRequest.safeParse({
    request_id: words.requestId ?? toHex(systemRandom.bytes(16)),
    vms,
    to: words.to,
    from: words.from,
    policy: words.policy,
    kinds: words.kinds?.split(','),
    chunk_bytes: Number(words.chunk),
    plan_only: planOnly,
    ...liveRequest(words),
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const help = `layermover ${planOnly ? 'plan' : 'migrate'} --help has an example`;
  throw usage(`${issue?.path.join('.') ?? 'request'}: ${issue?.message ?? 'is not valid'}`, help);
}

/** Asks for a migration, or its plan alone, unless it is under way already and its request has no id of its own. */
export async function requestMigration(
  client: ApiClient,
  vms: readonly string[],
  words: RequestWords,
  { planOnly = false }: { planOnly?: boolean } = {},
): Promise<string> {
  const body = requestOf(vms, words, planOnly);
  const running = words.requestId === undefined ? await findRunning(client, body) : undefined;
  if (running === undefined) return (await client.call('createMigration', { body })).id;
  process.stderr.write(`${planOnly ? 'this plan is being made' : 'this move is under way'} already\n`);
  return running;
}
