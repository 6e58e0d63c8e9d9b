import { withDeadline } from '../../../adapters/deadline.ts';
import type { Cutover, StreamCounts, TaskResult } from '../../../core/api/tasks.ts';
import { hasCode, LayerMoverError } from '../../../core/errors.ts';
import { limits } from '../../../core/limits.ts';
import type { VmEnd } from '../../../core/migration.ts';
import { reportable } from '../../daemon/reportable.ts';
import { Stop } from '../../flow/stop.ts';
import type { Waiting } from '../../images/arrivals.ts';
import {
  announceBases,
  basesUnder,
  type FollowInput,
  findArrived,
  storeReceipt,
  wantedTop,
} from '../../tasks/arrived-vm.ts';
import { vmOutcome } from '../../tasks/outcome.ts';
import { readBack } from '../../tasks/receive.ts';
import { settle } from '../../tasks/settle.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';
import { ArrivingGuest } from './arriving-guest.ts';
import { receiveLive } from './receive-live.ts';

/**
 * Follows a running VM: pulls its top layer round by round, has a QEMU ready that takes its guest, tells the source how
 * far it is, proves the whole chain once the last round has come, and ends when the VM runs here, or stays where it was.
 * Errors: LAUNCHER_MISSING, MIGRATION_ADDRESS_MISSING, LAUNCH_FAILED, GUEST_ENDED, LAYER_LOST, ROLLED_BACK, those of receiveLive.
 */
export async function followLive(host: TaskHost, outer: TaskRun, input: FollowInput): Promise<TaskResult> {
  const { migration, chain } = input;
  const early = findArrived(host, input);
  const outcome = outer.attempt > 1 ? await vmOutcome(host.api, migration, chain.vm, outer.signal) : 'moving';
  if (outcome === 'committed' && early === undefined) return { kind: 'follow', streams: [] };
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
    const streams = early === undefined ? [await receive(host, run, input, { guest, end: done.promise })] : [];
    if (early !== undefined) await takeUp(host, run, early, guest, outcome);
    const arrived = early ?? findArrived(host, input)!;
    const bases = await basesUnder(host, run, arrived.layer);
    if (outcome === 'moving') await storeReceipt(host, run, input, [...bases, arrived.layer]);
    // From here on the cloud decides: a QEMU that ends is no reason to give up what may be committed.
    await conclude(host, outer, arrived, { guest, end, cutover: input.live!.cutover });
    await announceBases(host, outer, bases);
    return { kind: 'follow', streams };
  } finally {
    over.abort(null);
    done.resolve();
    await guest.leave();
  }
}

/** Nobody waits longer than it takes once the source may come: polls wait at the API from the first time that all was written. */
async function receive(
  host: TaskHost,
  run: TaskRun,
  input: FollowInput,
  { guest, end }: { guest: ArrivingGuest; end: Promise<void> },
): Promise<StreamCounts> {
  let isNear = false;
  const caughtUp = (path: string, cursor: string) => {
    if (!isNear) void host.news.urgently(() => end);
    isNear = true;
    guest.caughtUp(path, cursor);
  };
  const way = { caughtUp, giveUp: () => guest.giveUp() };
  return (await receiveLive(host, run, await wantedTop(host, run, input), way)).counts;
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
  await host.places.destination(run.signal, () => readBack(host, run, early, early.layer));
}

/**
 * Waits for the end that the cloud tells of, and makes it so here. A QEMU that does not tell that its guest is here is left
 * as it is: it may run it after all. Errors: ROLLED_BACK, GUEST_LOST.
 */
async function conclude(
  host: TaskHost,
  run: TaskRun,
  arrived: Waiting,
  { guest, end, cutover }: { guest: ArrivingGuest; end: Promise<VmEnd>; cutover: Cutover },
): Promise<void> {
  const vm = arrived.vm.name;
  const isCommitted = (await end) === 'committed';
  // A guest that boots could run at both sides, one that comes with its memory can't: it boots once nobody takes it back.
  const isOurs = isCommitted && (cutover === 'ram' || (await announceRunning(host, run)));
  const lost = isOurs ? await untilRuns(host, run, arrived, guest) : undefined;
  if (isCommitted && (!isOurs || (lost !== undefined && cutover === 'ram'))) await untilTakenBack(host, run, arrived);
  if (isOurs && cutover === 'ram') await announceRunning(host, run);
  if ((await settle(host, arrived, run.signal)) === 'rolled-back') {
    throw new LayerMoverError('ROLLED_BACK', `${vm} stays with its source`);
  }
  if (lost === undefined) return;
  throw new LayerMoverError('GUEST_LOST', `${vm} is here, and does not run`, {
    hint: `its disk is ${arrived.path}, as the guest left it; start it as after a loss of power`,
    data: { vm, path: arrived.path },
    cause: lost,
  });
}

/** What keeps the VM from running here; undefined if it does, or if nobody starts it here. */
async function untilRuns(host: TaskHost, run: TaskRun, { vm, path }: Waiting, guest: ArrivingGuest): Promise<unknown> {
  const late = () => new LayerMoverError('GUEST_LOST', `it was not here within ${limits.guest_runs_ms} ms`);
  const deadline = { clock: host.clock, ms: limits.guest_runs_ms, late, signal: run.signal };
  try {
    const runs = await withDeadline((signal) => guest.untilHere(path, signal), deadline);
    if (runs) host.log.info({ vm: vm.name }, 'the guest is here');
    return undefined;
  } catch (error) {
    run.signal.throwIfAborted();
    host.log.error({ vm: vm.name, error: reportable(error) }, 'the guest does not come');
    return error;
  }
}

/** A source that sees its guest not leave takes the VM back; it has some time to. */
async function untilTakenBack(host: TaskHost, { signal }: TaskRun, { migration, vm }: Waiting): Promise<void> {
  const endMs = host.clock.nowMs() + limits.guest_runs_ms;
  while ((await vmOutcome(host.api, migration, vm.name, signal)) === 'committed' && host.clock.nowMs() < endMs) {
    await host.clock.sleep(limits.poll_idle_ms, signal);
  }
}

/** From now on the source can't take the VM back. False if it has done so already: the cloud will tell that it is rolled back. */
async function announceRunning(host: TaskHost, { task, attempt, signal }: TaskRun): Promise<boolean> {
  try {
    await host.api.call('announceRunning', { params: { task }, body: { attempt }, signal });
    return true;
  } catch (error) {
    if (!hasCode(error, 'VM_OWNED_ELSEWHERE')) throw error;
    return false;
  }
}
