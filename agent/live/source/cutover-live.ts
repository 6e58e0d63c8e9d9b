import type { Blackout, TaskResult } from '../../../core/api/tasks.ts';
import { hasCode } from '../../../core/errors.ts';
import type { Receipt } from '../../../core/receipt.ts';
import { vmOutcome } from '../../tasks/outcome.ts';
import { sessionOf } from '../../tasks/round.ts';
import { withRoundJournal } from '../../tasks/send-round.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';
import { type Handover, ramHandover, stopHandover } from '../handover.ts';
import { goOn, letGo, recover } from './after-pause.ts';
import { catchUp, whileMemoryGoes } from './before-pause.ts';
import type { LiveCutoverInput } from './cutover-of.ts';
import { agree, commit } from './pause.ts';
import { type Cutover, CutoverRounds } from './rounds.ts';

/**
 * Hands a running VM over: rounds until the destination has nearly all, then, with the guest stopped, the last one, the
 * destination's receipt and the commit. Whatever fails before the commit, the guest runs on here, tracked as before.
 * Errors: COMMIT_UNKNOWN, PAUSE_TOO_LONG, RAM_FAILED, RECEIPTS_DIFFER, EPOCH_STALE, those of Sessions.use and of sendRound.
 */
export async function cutoverLive(host: TaskHost, run: TaskRun, input: LiveCutoverInput): Promise<TaskResult> {
  const { migration, chain } = input;
  await host.live.settled(chain.vm);
  const outcome = run.attempt > 1 ? await vmOutcome(host.api, migration, chain.vm, run.signal) : 'moving';
  if (outcome === 'committed') return { kind: 'cutover', streams: [] };
  return host.live.use(sessionOf(input), run.signal, (session) =>
    withRoundJournal(host, input, session, (journal) => {
      const of = { host, run, input, session };
      return cutOver({ ...of, rounds: new CutoverRounds(of, journal) });
    }),
  );
}

async function cutOver(of: Cutover): Promise<TaskResult> {
  const { host, run, input, session, rounds } = of;
  const { migration, chain, live: wish, epoch } = input;
  const { live, news } = host;
  await session.slowDown(wish.throttle_bytes_per_second, run.signal);
  if (!session.hasAll) await rounds.next();
  return news.urgently(async () => {
    // Asked for before the pause: a poll that asks for something else than the one that waits takes its time.
    const theirs = news.receipt(migration, chain.vm, run.signal);
    theirs.catch(() => undefined);
    const uri = await catchUp(of);
    await live.note(chain.vm, { kind: wish.cutover, task: run.task, epoch });
    const handover = await begin(of, uri).catch(async (error: unknown) => {
      await live.note(chain.vm, undefined);
      throw error;
    });
    const blackout = await handOver(of, handover, theirs);
    await letGo(of);
    return { kind: 'cutover', streams: rounds.streams, ...(blackout === undefined ? {} : { blackout }) } as const;
  });
}

function begin({ host, run, input, session }: Cutover, uri: string | undefined): Promise<Handover> {
  const { clock } = host;
  const { cutover, max_downtime_ms: maxDowntimeMs } = input.live;
  if (cutover === 'stop') return stopHandover(session.qmp, clock, run.signal);
  return ramHandover(session.qmp, { uri: uri!, maxDowntimeMs, clock }, run.signal);
}

/** Undefined if nobody knows how long the pause was. */
async function handOver(of: Cutover, handover: Handover, theirs: Promise<Receipt>): Promise<Blackout | undefined> {
  const { host, run, rounds } = of;
  const { clock } = host;
  let isCommitting = false;
  try {
    const pausedMs = await handover.stop((...when) => whileMemoryGoes(of, ...when), run.signal);
    const receipt = await agree(of, theirs);
    isCommitting = true;
    await commit(of, receipt);
    const storageMs = clock.nowMs() - pausedMs;
    if (!(await goOn(of, handover))) return undefined;
    const { dirty_bytes: lastBytes } = rounds.last!.stats;
    return { total_ms: clock.nowMs() - pausedMs, storage_ms: storageMs, last_bytes: lastBytes };
  } catch (error) {
    if (hasCode(error, 'RAM_FAILED') && isCommitting) throw error;
    await recover(of, handover, { error, isCommitting });
    throw error;
  }
}
