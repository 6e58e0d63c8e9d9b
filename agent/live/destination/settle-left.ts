import type { GuestFate } from '../../../core/api/agent.ts';
import type { Waiting } from '../../images/arrivals.ts';
import { reopenGuest } from '../../launch/reopen.ts';
import { vmFate } from '../../tasks/outcome.ts';
import { settle } from '../../tasks/settle.ts';
import type { TaskHost } from '../../tasks/task.ts';
import { bootLeft } from './boot-left.ts';
import { guestLost } from './conclude.ts';
import { noteRunning } from './note-running.ts';
import { askToRun, takeOver, tellLost } from './take-over.ts';

type Host = Pick<
  TaskHost,
  'api' | 'arrivals' | 'catalog' | 'clock' | 'images' | 'launcher' | 'launches' | 'log' | 'running'
>;

/**
 * A running VM's disks have arrived, and its task does not run: it was given up, as when its source was silent for long, or it
 * comes again while its migration runs. Nothing becomes this host's that its source may still take back. One look: what is
 * not decided yet is for the next one. Errors: those of the API, QMP_UNREACHABLE.
 */
export async function settleLeft(
  host: Host,
  arrived: Waiting,
  { mayComeAgain }: { mayComeAgain: boolean },
  signal: AbortSignal,
): Promise<void> {
  const of = { migration: arrived.migration, vm: arrived.name };
  const { outcome, cutover, guest: fate } = await vmFate(host.api, of, signal);
  const isStopped = outcome === 'committed' && cutover === 'stop';
  // One that is stopped runs nowhere, and others of its migration may move for hours.
  if (mayComeAgain && !isStopped) return;
  if (isStopped) {
    if ((await askToRun(host, of, signal)) === undefined) return;
    await bootLeft(host, arrived, signal);
  } else if (outcome === 'committed' && !(await isDecided(host, arrived, fate, signal))) return;
  const settled = await settle(host, arrived, signal);
  if (settled === 'committed' && cutover === 'ram' && fate?.is === 'left')
    host.log.error({ ...of, error: guestLost(arrived, undefined) }, 'lost');
}

/** Whether it is known where a guest runs that comes with its memory. One that is here is let run, one that is not is told of as lost. */
async function isDecided(
  host: Host,
  arrived: Waiting,
  fate: GuestFate | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (fate?.is === 'runs' || fate?.is === 'left' || (await comes(host, arrived, signal))) return true;
  if (fate?.is === 'lost') return false;
  const of = { migration: arrived.migration, vm: arrived.name };
  // What waits for it ends first: the guest never comes then.
  await host.launches.end(of);
  await tellLost(host, of, signal);
  return false;
}

/** True if the guest is here with its memory and runs: then it can't be taken back any more. */
async function comes(host: Host, arrived: Waiting, signal: AbortSignal): Promise<boolean> {
  const of = { migration: arrived.migration, vm: arrived.name };
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
