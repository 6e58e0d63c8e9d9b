import type { StreamCounts, TaskResult } from '../../../core/api/tasks.ts';
import { Stop } from '../../flow/stop.ts';
import type { Waiting } from '../../images/arrivals.ts';
import {
  allOrNone,
  announceBases,
  chainsOf,
  type FollowInput,
  findArrived,
  storeReceipt,
  type WantedTop,
  wantedTops,
} from '../../tasks/arrived-vm.ts';
import { vmOutcome } from '../../tasks/outcome.ts';
import { readBackVm } from '../../tasks/receive.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';
import { ArrivingGuest } from './arriving-guest.ts';
import { conclude } from './conclude.ts';
import { receiveLive } from './receive-live.ts';

/**
 * Follows a running VM: pulls its top layers round by round, has a QEMU ready that takes its guest, tells the source how
 * far it is, proves the whole chains once the last round has come, and ends when the VM runs here, or stays where it was.
 * Errors: LAUNCHER_MISSING, MIGRATION_ADDRESS_MISSING, LAUNCH_FAILED, GUEST_ENDED, LAYER_LOST, ROLLED_BACK, those of receiveLive.
 */
export async function followLive(host: TaskHost, outer: TaskRun, input: FollowInput): Promise<TaskResult> {
  const { migration, chain } = input;
  const early = findArrived(host, input);
  const outcome = outer.attempt > 1 ? await vmOutcome(host.api, migration, chain.vm, outer.signal) : 'moving';
  if (outcome === 'committed' && early === undefined) return { kind: 'follow', streams: [] };
  // What an attempt before this one said of a QEMU that takes the guest is true no more.
  if (outer.attempt > 1 && early === undefined) await forgetWord(host, outer);
  const stop = new Stop(outer.signal);
  const run = { ...outer, signal: stop.signal };
  const over = new AbortController();
  const done = Promise.withResolvers<void>();
  const either = AbortSignal.any([outer.signal, over.signal]);
  // Asked for from the start: a poll that asks for something else than the one that waits takes its time, in the pause.
  const end = host.news.settled(migration, chain.vm, either);
  end.catch(() => undefined);
  const guest = new ArrivingGuest(host, run, input, (error) => stop.fail(error));
  try {
    const streams = early === undefined ? await receive(host, { run, stop }, input, { guest, end: done.promise }) : [];
    if (early !== undefined) await takeUp(host, run, early, guest, outcome);
    const arrived = early ?? findArrived(host, input)!;
    const chains = await chainsOf(host, run, input, arrived);
    if (outcome === 'moving') await storeReceipt(host, run, input, chains);
    // From here on the cloud decides: a QEMU that ends is no reason to give up what may be committed.
    await conclude(host, outer, arrived, { guest, end, cutover: input.live!.cutover });
    await announceBases(host, outer, chains);
    return { kind: 'follow', streams };
  } finally {
    over.abort(null);
    done.resolve();
    await guest.leave();
  }
}

async function forgetWord({ api }: TaskHost, { task, attempt, signal }: TaskRun): Promise<void> {
  await api.call('announceIncoming', { params: { task }, body: { attempt }, signal });
}

/** Nobody waits longer than it takes once the source may come: polls wait at the API from the first time that all was written. */
async function receive(
  host: TaskHost,
  { run, stop }: { run: TaskRun; stop: Stop },
  input: FollowInput,
  { guest, end }: { guest: ArrivingGuest; end: Promise<void> },
): Promise<StreamCounts[]> {
  let isNear = false;
  const caughtUp = (top: WantedTop, path: string, cursor: string) => {
    if (!isNear) void host.news.urgently(() => end);
    isNear = true;
    guest.caughtUp(top, path, cursor);
  };
  const way = { caughtUp, giveUp: () => guest.giveUp() };
  const coming = wantedTops(host, run, input).map(async (wanted) => receiveLive(host, run, await wanted, way));
  // A disk that does not come ends the others.
  for (const one of coming) one.catch((error: unknown) => stop.fail(error));
  return allOrNone(host, coming);
}

/**
 * What an earlier attempt brought must still be what that attempt read back, as long as the guest can't have written to
 * it: it comes only after the commit.
 */
async function takeUp(
  host: TaskHost,
  run: TaskRun,
  early: Waiting,
  guest: ArrivingGuest,
  outcome: string,
): Promise<void> {
  await guest.reopen();
  if (outcome !== 'moving') return;
  await readBackVm(host, run, early);
}
