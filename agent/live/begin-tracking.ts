import { join } from 'node:path';
import { unixListener } from '../../adapters/system/unix-listener.ts';
import type { Geometry } from '../../core/chunk.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Log } from '../daemon/log.ts';
import type { QemuDisk } from '../qemu/disks.ts';
import type { Qmp } from '../qemu/qmp.ts';
import { BitmapTracker } from './bitmap-tracker.ts';
import { LocalCopy } from './mirror/local-copy.ts';
import { MirrorTracker } from './mirror/mirror-tracker.ts';
import type { Tracking } from './tracking.ts';

export interface TrackingOptions {
  readonly qmp: Qmp;
  readonly clock: Clock;
  readonly log: Log;
  readonly files: Files;
  readonly vm: string;
  readonly disk: QemuDisk;
  readonly geometry: Geometry;
  /** What is safe for this guest. */
  readonly mechanism: 'pull' | 'mirror';
  /** The QMP monitor's socket. Where blocks come and go is beside it: a path that QEMU may use. */
  readonly monitor: string;
  /** For what is not kept from run to run. */
  readonly folder: string;
}

/** Begins the names of folders that copies are in. */
export const COPY = 'copy-';

/** Begins to follow what a guest writes. Errors: DISK_FULL, those of BitmapTracker.begin and of MirrorTracker.begin. */
export async function beginTracking(of: TrackingOptions, signal: AbortSignal): Promise<Tracking> {
  const { qmp, clock, log, files, vm, disk, geometry, monitor, folder } = of;
  const { node } = disk;
  const socket = `${monitor}.nbd`;
  if (of.mechanism === 'pull') {
    const granularity = Math.min(geometry.chunkBytes, limits.bitmap_granularity_bytes_max);
    return BitmapTracker.begin({ qmp, clock, log, node, socket, granularity }, signal);
  }
  const room = { folder, name: `the copy of a disk of ${vm}`, bytes: Math.min(disk.fileBytes, disk.virtualBytes) };
  const copy = await LocalCopy.open(files, join(folder, COPY), geometry, room);
  const listen = unixListener(socket, { like: monitor });
  return MirrorTracker.begin({ qmp, clock, log, disks: [{ node, copy }], socket, listen }, signal);
}
