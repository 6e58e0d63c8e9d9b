import { withDeadline } from '../../../adapters/deadline.ts';
import type { Cutover } from '../../../core/api/tasks.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import { limits } from '../../../core/limits.ts';
import type { VmEnd } from '../../../core/migration.ts';
import { reportable } from '../../daemon/reportable.ts';
import { abortable } from '../../flow/abortable.ts';
import type { Waiting } from '../../images/arrivals.ts';
import type { Guest } from '../../launch/guest.ts';
import { isAway } from '../../qemu/failure.ts';
import { vmFate } from '../../tasks/outcome.ts';
import { settle } from '../../tasks/settle.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';
import type { ArrivingGuest } from './arriving-guest.ts';
import { noteRunning } from './note-running.ts';
import { askToRun, takeOver, tellLost } from './take-over.ts';

interface Concluding {
  readonly guest: ArrivingGuest;
  readonly end: Promise<VmEnd>;
  readonly cutover: Cutover;
}

/**
 * Waits for the end that the cloud tells of, and makes it so here. Errors: ROLLED_BACK, GUEST_LOST, those of the API, the
 * task's signal's reason.
 */
export async function conclude(host: TaskHost, run: TaskRun, arrived: Waiting, of: Concluding): Promise<void> {
  const lost = of.cutover === 'ram' ? await take(host, run, arrived, of) : await boot(host, run, arrived, of);
  const vm = arrived.name;
  if ((await settle(host, arrived, run.signal)) === 'rolled-back') {
    throw new LayerMoverError('ROLLED_BACK', `${vm} stays with its source`);
  }
  if (lost !== undefined) throw guestLost(arrived, lost);
}

export function guestLost({ name: vm, disks }: Waiting, cause: unknown): LayerMoverError {
  const paths = disks.map(({ path }) => path);
  return new LayerMoverError('GUEST_LOST', `${vm} is here, and does not run`, {
    hint: `its disks are ${paths.join(', ')}, as the guest left them; start it as after a loss of power`,
    data: { vm, paths },
    cause,
  });
}

/**
 * A guest that comes with its memory: it runs once it is here and the cloud says that it may. If it does not come, what
 * waits for it ends, so that it never will, and its source is told so: it has the guest still. Nobody gives the VM
 * up because time passes. Answers what the guest was lost by, if an operator left the VM here.
 */
async function take(host: TaskHost, run: TaskRun, arrived: Waiting, { guest, end }: Concluding): Promise<unknown> {
  const of = { migration: arrived.migration, vm: arrived.name };
  const { signal } = run;
  const here = guest.untilHere(signal);
  const isCommitted = end.then((state) => state === 'committed');
  isCommitted.catch(() => undefined);
  // One that is here was let go after the commit: the news of that need not be waited for.
  const either = here.then(
    () => true,
    () => isCommitted,
  );
  if (!(await Promise.race([isCommitted, either]))) return undefined;
  const late = () => new LayerMoverError('GUEST_LOST', `it was not here within ${limits.guest_runs_ms} ms`);
  const deadline = { clock: host.clock, ms: limits.guest_runs_ms, late, signal };
  let come: Guest;
  try {
    come = await withDeadline((within) => abortable(here, within), deadline);
  } catch (error) {
    signal.throwIfAborted();
    host.log.error({ vm: of.vm, error: reportable(error) }, 'the guest does not come');
    await guest.giveUp();
    await tellLost(host, of, signal);
    return (await untilDecided(host, of, signal)) === 'left' ? error : undefined;
  }
  try {
    if (await takeOver(host, of, come, signal)) await noteRunning(host, arrived, come, signal);
    else await untilDecided(host, of, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!isAway(error)) throw error;
    // It may have run here: nobody takes it back.
    await tellLost(host, of, signal);
    return error;
  }
}

/** A guest that boots from its disk could run at both sides: it boots once nobody takes it back. Answers why it does not. */
async function boot(host: TaskHost, run: TaskRun, arrived: Waiting, { guest, end }: Concluding): Promise<unknown> {
  const of = { migration: arrived.migration, vm: arrived.name };
  const { signal } = run;
  if ((await end) !== 'committed') return undefined;
  if ((await askToRun(host, of, signal)) === undefined) {
    await untilDecided(host, of, signal);
    return undefined;
  }
  const late = () => new LayerMoverError('GUEST_LOST', `it did not run within ${limits.guest_runs_ms} ms`);
  const deadline = { clock: host.clock, ms: limits.guest_runs_ms, late, signal };
  try {
    const booted = await withDeadline((within) => guest.untilBooted(arrived, within), deadline);
    if (booted === undefined) return undefined;
    host.log.info({ vm: of.vm }, 'the guest is here');
    await noteRunning(host, arrived, booted, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    host.log.error({ vm: of.vm, error: reportable(error) }, 'the guest does not boot');
    return error;
  }
}

/** The VM is committed, and does not run here: until its source has taken it back, or an operator has left it here. */
async function untilDecided(
  { api, clock }: TaskHost,
  of: { migration: string; vm: string },
  signal: AbortSignal,
): Promise<'back' | 'left'> {
  for (;;) {
    const { outcome, guest } = await vmFate(api, of, signal);
    if (outcome === 'rolled-back') return 'back';
    if (guest?.is === 'left') return 'left';
    await clock.sleep(limits.poll_busy_ms, signal);
  }
}
