import { withDeadline } from '../../adapters/deadline.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { isRefusedWith } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import { removeOurBitmaps } from '../qemu/bitmaps.ts';
import { removeOurExports, stopServer } from '../qemu/exports.ts';
import { removeOurMirrors } from '../qemu/mirror.ts';
import { connectQmp, type Qmp } from '../qemu/qmp.ts';
import { setThrottle } from '../qemu/throttle.ts';
import type { LiveRecord } from './records.ts';

/**
 * Takes all that is ours out of a VM’s QEMU and gives its disks the limits they had. A QEMU that is gone has nothing left.
 * Errors: those of connectQmp and of Qmp.execute.
 */
export async function putBack(
  record: LiveRecord,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const qmp = await connectUnlessGone(record, { clock, signal });
  if (qmp === undefined) return;
  const late = () => new LayerMoverError('QMP_TIMEOUT', 'the VM’s QEMU did not let go of its disk in time');
  try {
    await withDeadline((within) => clear(qmp, record, within), { clock, ms: limits.live_cleanup_ms, late, signal });
  } finally {
    qmp.close();
  }
}

/** Undefined if nothing listens at the socket any more. */
export async function connectUnlessGone(
  { qmp }: Pick<LiveRecord, 'qmp'>,
  options: { clock: Clock; signal: AbortSignal },
): Promise<Qmp | undefined> {
  try {
    return await connectQmp(unixSocket(qmp), options);
  } catch (error) {
    if (hasCode(error, 'QMP_UNREACHABLE') && isRefusedWith(error.cause, 'ENOENT', 'ECONNREFUSED')) return undefined;
    throw error;
  }
}

async function clear(qmp: Qmp, { disks }: LiveRecord, signal: AbortSignal): Promise<void> {
  for (const { qdev, throttle } of disks) await setThrottle(qmp, qdev, throttle, { signal });
  const { othersLeft } = await removeOurExports(qmp, signal);
  if (!othersLeft) await stopServer(qmp, signal);
  await removeOurBitmaps(qmp, signal);
  await removeOurMirrors(qmp, signal);
}
