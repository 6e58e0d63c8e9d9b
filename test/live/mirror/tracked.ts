import { systemClock } from '../../../adapters/system/clock.ts';
import { systemFiles } from '../../../adapters/system/files.ts';
import { unixSocket } from '../../../adapters/system/unix-socket.ts';
import { beginTracking } from '../../../agent/live/begin-tracking.ts';
import { disksOf } from '../../../agent/qemu/disks.ts';
import { connectQmp } from '../../../agent/qemu/qmp.ts';
import { geometryOf } from '../../../core/chunk.ts';
import { keptLog } from '../../agent/support.ts';

const never = new AbortController().signal;

/** Begins to mirror the disk of the VM whose monitor is at `monitor`, as an agent whose state is in `folder`. */
export async function trackByMirror(monitor: string, folder: string) {
  const qmp = await connectQmp(unixSocket(monitor), { clock: systemClock, signal: never });
  const disk = (await disksOf(qmp))[0]!;
  const log = keptLog();
  const geometry = geometryOf(disk.virtualBytes, 65_536);
  const here = { clock: systemClock, log, files: systemFiles, folder, vm: 'v', geometry };
  const tracking = await beginTracking({ ...here, qmp, disk, monitor, mechanism: 'mirror' }, never);
  return { qmp, disk, tracking, log };
}
