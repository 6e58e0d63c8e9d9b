import type { Blackout, TaskResult } from '../../../core/api/tasks.ts';
import { hasCode, LayerMoverError } from '../../../core/errors.ts';
import type { Receipt } from '../../../core/receipt.ts';
import { vmOutcome } from '../../tasks/outcome.ts';
import { sessionOf } from '../../tasks/round.ts';
import { withRoundJournals } from '../../tasks/send-round.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';
import { type Handover, ramHandover, stopHandover } from '../handover.ts';
import { goOn, letGo, recover } from './after-pause.ts';
import { catchUp, isElsewhere, whileMemoryGoes } from './before-pause.ts';
import type { LiveCutoverInput } from './cutover-of.ts';
import { agree, assertStopped, commit } from './pause.ts';
import { type Cutover, CutoverRounds } from './rounds.ts';
import { untilFollowed } from './until-followed.ts';

/**
 * Hands a running VM over: rounds until the destination has nearly all, then, with the guest stopped, the last one, the
 * destination's receipt and the commit. Whatever fails before the commit, the guest runs on here, tracked as before.
 * Errors: CUTOVER_LOST, COMMIT_UNKNOWN, PAUSE_TOO_LONG, RAM_FAILED, RECEIPTS_DIFFER, EPOCH_STALE, those of Sessions.use and of sendRound.
 */
export async function cutoverLive(host: TaskHost, run: TaskRun, input: LiveCutoverInput): Promise<TaskResult> {
  const { migration, chain } = input;
  await host.live.settled(chain.vm);
  const outcome = run.attempt > 1 ? await vmOutcome(host.api, migration, chain.vm, run.signal) : 'moving';
  if (outcome === 'committed') return { kind: 'cutover', streams: [] };
  return host.live.use(sessionOf(input), run.signal, (session) =>
    withRoundJournals(host, input, session, (journals) => {
      const of = { host, run, input, session };
      return cutOver({ ...of, rounds: new CutoverRounds(of, journals) });
    }),
  );
}

async function cutOver(of: Cutover): Promise<TaskResult> {
  const { host, run, input, session, rounds } = of;
  const { migration, chain, live: wish } = input;
  const { news } = host;
  await session.slowDown(wish.throttle_bytes_per_second, run.signal);
  if (!session.hasAll) await rounds.next();
  await untilFollowed(host, run, input);
  // Nobody waits for the receipt when the cutover has ended: a poll asks for no more than `limits.gang_vms_max`.
  const over = new AbortController();
  return news
    .urgently(async () => {
      // Asked for before the pause: a poll that asks for something else than the one that waits takes its time.
      const theirs = news.receipt(migration, chain.vm, AbortSignal.any([run.signal, over.signal]));
      theirs.catch(() => undefined);
      const blackout = await handOver(of, await beforeReceipt(of, theirs, stopGuest), theirs);
      await letGo(of);
      return { kind: 'cutover', streams: rounds.streams, ...(blackout === undefined ? {} : { blackout }) } as const;
    })
    .finally(() => over.abort(null));
}

/**
 * Does what comes before the last round. A receipt that comes by then is of an attempt that was lost in its pause: the destination
 * has all that it waited for, and follows no more. Errors: CUTOVER_LOST, those of `work`.
 */
async function beforeReceipt<T>(of: Cutover, theirs: Promise<Receipt>, work: (of: Cutover) => Promise<T>): Promise<T> {
  const { run, input } = of;
  const lost = new AbortController();
  let isOver = false;
  const early = () => {
    if (!isOver) lost.abort(cutoverLost(input.chain.vm));
  };
  theirs.then(early, () => undefined);
  try {
    return await work({ ...of, run: { ...run, signal: AbortSignal.any([run.signal, lost.signal]) } });
  } finally {
    isOver = true;
  }
}

function cutoverLost(vm: string): LayerMoverError {
  return new LayerMoverError('CUTOVER_LOST', `the agent of ${vm} ended while it handed the VM over`, {
    hint: 'the guest runs on here; `layermover resume ID` goes on',
    data: { vm },
  });
}

/** A guest that is stopped, since when, and how it goes on from there. */
interface Stopped {
  readonly handover: Handover;
  readonly pausedMs: number;
}

/** Catches up, and stops the guest. A destination that begins anew meanwhile takes it elsewhere: then all of that again. */
async function stopGuest(of: Cutover): Promise<Stopped> {
  for (;;) {
    const uri = await catchUp(of);
    const stopped = await withShare(of, (bytesPerSecond) => untilStopped(of, { uri, bytesPerSecond }));
    if (stopped !== undefined) return stopped;
  }
}

/** A guest's memory keeps to the migration's rate, beside the rounds that go along with it. */
async function withShare<T>({ run }: Cutover, work: (bytesPerSecond: number | undefined) => Promise<T>): Promise<T> {
  const lent = run.limit?.rate.lend();
  try {
    return await work(lent?.bytesPerSecond);
  } finally {
    lent?.giveBack();
  }
}

interface Memory {
  readonly uri: string | undefined;
  readonly bytesPerSecond: number | undefined;
}

/** Undefined if its memory is to go elsewhere. */
async function untilStopped(of: Cutover, memory: Memory): Promise<Stopped | undefined> {
  const handover = await begin(of, memory);
  try {
    return { handover, pausedMs: await handover.stop((...when) => whileMemoryGoes(of, ...when), of.run.signal) };
  } catch (error) {
    await recover(of, handover, { error, isCommitting: false });
    if (!hasCode(error, 'RAM_FAILED') || !(await isElsewhere(of, memory.uri!))) throw error;
    return undefined;
  }
}

async function begin({ host, run, input, session }: Cutover, { uri, bytesPerSecond }: Memory): Promise<Handover> {
  const { clock, live } = host;
  const { cutover, max_downtime_ms: maxDowntimeMs } = input.live;
  const { vm } = input.chain;
  await live.note(vm, { kind: cutover, task: run.task, epoch: input.epoch });
  try {
    if (cutover === 'stop') return await stopHandover(session.qmp, clock, run.signal);
    return await ramHandover(session.qmp, { uri: uri!, maxDowntimeMs, bytesPerSecond, clock }, run.signal);
  } catch (error) {
    await live.note(vm, undefined);
    throw error;
  }
}

/** Undefined if nobody knows how long the pause was. */
async function handOver(of: Cutover, stopped: Stopped, theirs: Promise<Receipt>): Promise<Blackout | undefined> {
  const { handover, pausedMs } = stopped;
  await proveAndCommit(of, handover, theirs);
  const storageMs = of.host.clock.nowMs() - pausedMs;
  const endMs = await goOn(of, handover);
  if (endMs === undefined) return undefined;
  const { dirty_bytes: lastBytes } = of.rounds.last!.stats;
  return { total_ms: endMs - pausedMs, storage_ms: storageMs, last_bytes: lastBytes };
}

async function proveAndCommit(of: Cutover, handover: Handover, theirs: Promise<Receipt>): Promise<void> {
  const { run, session, input } = of;
  let isCommitting = false;
  try {
    const receipt = await agree(of, theirs);
    await assertStopped(session.qmp, input.chain.vm, run.signal);
    isCommitting = true;
    await commit(of, receipt, { wasRunning: handover.wasRunning });
  } catch (error) {
    await recover(of, handover, { error, isCommitting });
    throw error;
  }
}
