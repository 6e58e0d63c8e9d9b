import { isDeepStrictEqual } from 'node:util';
import type { PollAnswer, PollRequest } from '../../core/api/agent.ts';
import { limits } from '../../core/limits.ts';
import { VM_ENDS } from '../../core/migration.ts';
import type { Round, VmRecord } from '../../core/records.ts';
import type { PollDeps } from './deps.ts';

type Expecting = PollRequest['expecting'][number];
type Settling = PollRequest['settling'][number];
type Ports = Pick<PollDeps, 'migrations'>;

/** Rounds committed since the agent asked last, of streams of migrations that it has a task of. */
export async function newRounds(
  { migrations }: Ports,
  { following }: PollRequest,
  mine: ReadonlySet<string>,
): Promise<PollAnswer['rounds']> {
  const news: PollAnswer['rounds'] = [];
  for (const { migration, stream, after } of following.filter((each) => mine.has(each.migration))) {
    const room = limits.rounds_per_poll_max - news.length;
    if (room === 0) break;
    const rounds = await migrations.rounds(migration, stream, room, after);
    news.push(...rounds.map((round) => roundView(migration, round)));
  }
  return news;
}

function roundView(migration: string, { stream, cursor, segments, layerId }: Round): PollAnswer['rounds'][number] {
  const last = layerId === undefined ? {} : { layer_id: layerId };
  return { migration, stream, cursor, segments: [...segments], ...last };
}

type NewsOfVms = Pick<PollAnswer, 'receipts' | 'incoming' | 'settled'>;

/**
 * What the agent waits for of VMs and that is there: receipts and words of destinations, and how VMs were settled. The
 * VMs of a migration are read together, however much of them is awaited.
 */
export async function newsOfVms(
  { migrations }: Ports,
  { awaiting, expecting, settling }: PollRequest,
  mine: ReadonlySet<string>,
): Promise<NewsOfVms> {
  const ids = [...awaiting, ...expecting, ...settling].map((each) => each.migration);
  const news: NewsOfVms = { receipts: [], incoming: [], settled: [] };
  for (const migration of new Set(ids.filter((id) => mine.has(id)))) {
    const vms = await migrations.vms(migration);
    const find = (asked: { migration: string; vm: string }) =>
      asked.migration === migration ? vms.find(({ name }) => name === asked.vm) : undefined;
    news.receipts.push(...awaiting.flatMap((asked) => receiptOf(find(asked))));
    news.incoming.push(...expecting.flatMap((asked) => wordOf(asked, find(asked))));
    news.settled.push(...settling.flatMap((asked) => endOf(asked, find(asked))));
  }
  return news;
}

function receiptOf(vm: VmRecord | undefined): NewsOfVms['receipts'] {
  const receipt = vm?.destinationReceipt;
  return receipt === undefined ? [] : [{ ...receipt, layers: [...receipt.layers] }];
}

function wordOf({ migration, vm: name, heard }: Expecting, vm: VmRecord | undefined): NewsOfVms['incoming'] {
  const word = vm?.incoming;
  if (word === undefined || isDeepStrictEqual(word, heard)) return [];
  return [{ ...word, migration, vm: name }];
}

function endOf({ migration, vm: name }: Settling, vm: VmRecord | undefined): NewsOfVms['settled'] {
  const state = VM_ENDS.find((end) => end === vm?.state);
  return state === undefined ? [] : [{ migration, vm: name, state }];
}
