import type { Cutover } from '../../../core/api/tasks.ts';
import type { Waiting } from '../../images/arrivals.ts';
import { reopenGuest } from '../../launch/reopen.ts';
import { vmFate } from '../../tasks/outcome.ts';
import { settle } from '../../tasks/settle.ts';
import type { TaskHost } from '../../tasks/task.ts';
import { guestLost } from './conclude.ts';
import { noteRunning } from './note-running.ts';
import { askToRun, takeOver, tellLost } from './take-over.ts';

type Host = Pick<TaskHost, 'api' | 'arrivals' | 'clock' | 'images' | 'launches' | 'log' | 'running'>;

/**
 * A running VM's disks have arrived, and its task will not come again, as when its source was silent for long. Nothing becomes
 * this host's that its source may still take back. One look: what is not decided yet is for the next one. Errors: those of
 * the API.
 */
export async function settleLeft(host: Host, arrived: Waiting, signal: AbortSignal): Promise<void> {
  const { launches, log } = host;
  const of = { migration: arrived.migration, vm: arrived.name };
  const { outcome, cutover, guest: fate } = await vmFate(host.api, of, signal);
  const isDecided = outcome !== 'committed' || fate?.is === 'runs' || fate?.is === 'left';
  if (!isDecided && !(await isOurs(host, arrived, cutover, signal))) {
    if (cutover === 'stop' || fate?.is === 'lost') return;
    // What waits for it ends first: the guest never comes then.
    await launches.end(of);
    return await tellLost(host, of, signal);
  }
  const settled = await settle(host, arrived, signal);
  if (settled === 'committed' && fate?.is === 'left')
    log.error({ ...of, error: guestLost(arrived, undefined) }, 'lost');
}

/** True if the VM can't be taken back any more; its guest runs then, if it came with its memory. */
async function isOurs(
  host: Host,
  arrived: Waiting,
  cutover: Cutover | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const of = { migration: arrived.migration, vm: arrived.name };
  if (cutover !== 'ram') return (await askToRun(host, of, signal)) !== undefined;
  const guest = await reopenGuest(host, of, signal);
  try {
    if (guest === undefined || !(await guest.isHere(signal)) || !(await takeOver(host, of, guest, signal)))
      return false;
    await noteRunning(host, arrived, guest, signal);
    return true;
  } finally {
    guest?.leave();
  }
}
