import { join } from 'node:path';
import { unixListener } from '../../adapters/system/unix-listener.ts';
import type { Geometry } from '../../core/chunk.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Log } from '../daemon/log.ts';
import { blocksPath } from '../qemu/exports.ts';
import type { Qmp } from '../qemu/qmp.ts';
import { BitmapTracker } from './bitmap-tracker.ts';
import { LocalCopy } from './mirror/local-copy.ts';
import { MirrorTracker } from './mirror/mirror-tracker.ts';
import type { DiskToMirror } from './mirror/mirrored-disk.ts';
import { type Tracked, TrackedTogether } from './tracked-together.ts';
import type { Tracking } from './tracking.ts';

/** A disk whose writes are to be followed. */
export interface DiskToTrack {
  /** Its top node in QEMU. */
  readonly node: string;
  readonly geometry: Geometry;
  /** Of its top image; 0 if that is raw. */
  readonly clusterBytes: number;
  /** What is safe for the guest. */
  readonly mechanism: 'pull' | 'mirror';
  /** What a copy of it takes at the most. */
  readonly copyBytes: number;
}

export interface TrackingOptions {
  readonly qmp: Qmp;
  readonly clock: Clock;
  readonly log: Log;
  readonly files: Files;
  readonly vm: string;
  /** One at least. */
  readonly disks: readonly DiskToTrack[];
  /** The QMP monitor's socket. Where blocks come and go is beside it: paths that QEMU may use. */
  readonly monitor: string;
  /** For what is not kept from run to run. */
  readonly folder: string;
}

/** Begins the names of folders that copies are in. */
export const COPY = 'copy-';

/**
 * Begins to follow what a guest writes to its disks, each as is safe for it. Errors: DISK_FULL, those of BitmapTracker.begin and of
 * MirrorTracker.begin.
 */
export async function beginTracking(of: TrackingOptions, signal: AbortSignal): Promise<Tracking> {
  const parts: Tracked[] = [];
  for (const mechanism of ['pull', 'mirror'] as const) {
    const at = [...of.disks.keys()].filter((index) => of.disks[index]!.mechanism === mechanism);
    if (at.length === 0) continue;
    const own = { ...of, disks: at.map((index) => of.disks[index]!) };
    try {
      parts.push({ at, tracking: await (mechanism === 'pull' ? byBitmaps : byMirrors)(own, signal) });
    } catch (error) {
      for (const { tracking } of parts) await tracking.end().catch(() => undefined);
      throw error;
    }
  }
  const [first, second] = parts as [Tracked, Tracked?];
  return second === undefined ? first.tracking : new TrackedTogether(first, second);
}

function byBitmaps({ qmp, clock, log, disks, monitor }: TrackingOptions, signal: AbortSignal): Promise<Tracking> {
  const granularity = Math.max(...disks.map(granularityOf));
  const nodes = disks.map(({ node }) => node);
  return BitmapTracker.begin({ qmp, clock, log, nodes, socket: blocksPath(monitor), granularity }, signal);
}

/**
 * Bytes that are sent as a whole once the guest has written to a part of them: never less than a cluster, for the first write to
 * one puts all of it into the layer.
 */
function granularityOf({ geometry, clusterBytes }: DiskToTrack): number {
  return Math.max(clusterBytes, Math.min(geometry.chunkBytes, limits.bitmap_granularity_bytes_max));
}

async function byMirrors(of: TrackingOptions, signal: AbortSignal): Promise<Tracking> {
  const { qmp, clock, log, files, vm, monitor, folder } = of;
  const disks: DiskToMirror[] = [];
  try {
    for (const { node, geometry, clusterBytes, copyBytes } of of.disks) {
      const room = { folder, name: `the copy of a disk of ${vm}`, bytes: copyBytes };
      const granularity = Math.max(clusterBytes, geometry.chunkBytes);
      disks.push({ node, granularity, copy: await LocalCopy.open(files, join(folder, COPY), geometry, room) });
    }
  } catch (error) {
    for (const { copy } of disks) await copy.remove();
    throw error;
  }
  const socket = blocksPath(monitor, 'mirrored');
  const listen = unixListener(socket, { like: monitor });
  return MirrorTracker.begin({ qmp, clock, log, disks, socket, listen }, signal);
}
