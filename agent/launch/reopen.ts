import { unixSocket } from '../../adapters/system/unix-socket.ts';
import type { Clock } from '../../core/ports.ts';
import { connectQmp } from '../qemu/qmp.ts';
import { Guest } from './guest.ts';
import type { Launches } from './launches.ts';

/**
 * The QEMU that an earlier run of the agent started for a VM; undefined if there is none, or it has ended. Errors:
 * QMP_UNREACHABLE if it runs and can't be asked: it may run its guest. The signal's reason.
 */
export async function reopenGuest(
  { launches, clock }: { launches: Launches; clock: Clock },
  owner: { migration: string; vm: string },
  signal: AbortSignal,
): Promise<Guest | undefined> {
  const launch = launches.find(owner);
  if (launch === undefined) return undefined;
  const qmp = await connectQmp(unixSocket(launches.qmpPath(launch)), { clock, signal }).catch(async (error) => {
    if (await launches.isRunning(launch)) throw error;
    return undefined;
  });
  if (qmp === undefined) return undefined;
  const ended = new Promise<void>((resolve) => qmp.ended.addEventListener('abort', () => resolve(), { once: true }));
  return new Guest(launch.vm, qmp, ended, () => launches.lastWords(launch));
}
