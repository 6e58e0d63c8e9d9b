import { systemClock } from '../../../adapters/system/clock.ts';
import { systemFiles } from '../../../adapters/system/files.ts';
import { unixSocket } from '../../../adapters/system/unix-socket.ts';
import { readPieces } from '../../../agent/disk/pieces.ts';
import { beginTracking } from '../../../agent/live/begin-tracking.ts';
import type { LiveLayer } from '../../../agent/live/live-layer.ts';
import { disksOf } from '../../../agent/qemu/disks.ts';
import { connectQmp } from '../../../agent/qemu/qmp.ts';
import { geometryOf } from '../../../core/chunk.ts';
import type { Files, OpenFile } from '../../../core/files.ts';
import { keptLog } from '../../agent/support.ts';

const never = new AbortController().signal;

/** Files that take so long for each write. */
export function slowFiles(ms: number): Files {
  const open: Files['open'] = async (path, how) => {
    const file = await systemFiles.open(path, how);
    const write = async (bytes: Uint8Array, offset: number) => {
      await systemClock.sleep(ms);
      await file.write(bytes, offset);
    };
    const { fd } = file;
    return { fd, write, read: file.read.bind(file), close: file.close.bind(file) } as OpenFile;
  };
  return { ...systemFiles, open };
}

/** Puts what a round has of a disk over what the rounds before made of it. */
export async function apply(layer: LiveLayer, disk: Buffer): Promise<void> {
  for await (const { offset, length, state } of layer.extents()) {
    const part = disk.subarray(offset, offset + length);
    if (state === 'zero') part.fill(0);
    else readPieces(await layer.pieces(offset, length), offset, part);
  }
}

/** Begins to mirror the disk of the VM whose monitor is at `monitor`, as an agent whose state is in `folder`. */
export async function trackByMirror(monitor: string, folder: string, files: Files = systemFiles) {
  const qmp = await connectQmp(unixSocket(monitor), { clock: systemClock, signal: never });
  const disk = (await disksOf(qmp))[0]!;
  const log = keptLog();
  const geometry = geometryOf(disk.virtualBytes, 65_536);
  const here = { clock: systemClock, log, files, folder, vm: 'v' };
  const disks = [
    {
      node: disk.node,
      geometry,
      mechanism: 'mirror' as const,
      copyBytes: disk.fileBytes,
      clusterBytes: disk.clusterBytes,
    },
  ];
  const tracking = await beginTracking({ ...here, qmp, disks, monitor }, never);
  return { qmp, disk, tracking, log };
}
