import { withDeadline } from '../../../adapters/deadline.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import { limits } from '../../../core/limits.ts';
import { reportable } from '../../daemon/reportable.ts';
import type { Waiting } from '../../images/arrivals.ts';
import type { Guest } from '../../launch/guest.ts';
import type { Launcher } from '../../launch/launcher.ts';
import { reopenGuest } from '../../launch/reopen.ts';
import type { TaskHost } from '../../tasks/task.ts';
import { bootArrived } from './arriving-guest.ts';
import { guestLost } from './conclude.ts';
import { noteRunning } from './note-running.ts';

type Host = Pick<TaskHost, 'catalog' | 'clock' | 'images' | 'launcher' | 'launches' | 'log' | 'running'>;

/**
 * Boots a guest whose VM is this host's for good, and whose task did not come to that, unless it runs already. One that does not
 * boot is told of. Errors: QMP_UNREACHABLE if a QEMU of it runs and can't be asked, the signal's reason.
 */
export async function bootLeft(host: Host, arrived: Waiting, signal: AbortSignal): Promise<void> {
  const { launcher, log } = host;
  if (launcher === undefined) return;
  const running = await reopenGuest(host, { migration: arrived.migration, vm: arrived.name }, signal);
  try {
    const guest = running ?? (await booted(host, launcher, arrived, signal));
    log.info({ vm: arrived.name }, 'the guest is here');
    await noteRunning(host, arrived, guest, signal);
    guest.leave();
  } catch (error) {
    signal.throwIfAborted();
    log.error({ vm: arrived.name, error: reportable(guestLost(arrived, error)) }, 'the guest does not boot');
  }
}

async function booted(host: Host, launcher: Launcher, arrived: Waiting, signal: AbortSignal): Promise<Guest> {
  // What an earlier attempt started has ended, if there was one.
  await host.launches.end({ migration: arrived.migration, vm: arrived.name });
  const late = () => new LayerMoverError('GUEST_LOST', `it did not run within ${limits.guest_runs_ms} ms`);
  const boot = async (within: AbortSignal) => {
    const guest = await bootArrived({ ...host, launcher }, arrived, within);
    await guest.untilHere(within).catch((error: unknown) => {
      guest.leave();
      throw error;
    });
    return guest;
  };
  return withDeadline(boot, { clock: host.clock, ms: limits.guest_runs_ms, late, signal });
}
