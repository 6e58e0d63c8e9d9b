import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../adapters/system/clock.ts';
import { bootGuest, killGuest, ownMonitorOf } from '../live/guests.ts';
import type { LiveStage } from '../live/stage.ts';
import { GuestWatch, pauseBetween } from '../live/watch.ts';
import { assertArrived } from './judge.ts';
import { moveByQemu, type QemuMove } from './qemu-move.ts';

/** What one move of a running guest took. */
export interface Moved {
  /** From when it was asked for until the guest runs at the destination. */
  readonly tookMs: number;
  /** From when its source's QEMU stopped the guest until then. */
  readonly pauseMs: number;
  /** What crossed the source's link, both ways, and the destination's: QEMU's own way has one link from end to end. */
  readonly sourceBytes: number;
  readonly destinationBytes: number;
}

type Crossed = Pick<Moved, 'sourceBytes' | 'destinationBytes'>;

/** Folders of images. */
interface Sides {
  readonly from: string;
  readonly to: string;
}

/** Boots a guest at site a, and has LayerMover move it to b with its memory. Throws if its disk is not there as it was. */
export async function byLayerMover(vm: string, stage: LiveStage): Promise<Moved> {
  try {
    return await watched(vm, { from: stage.images('a'), to: stage.images('b') }, () => stage.migrate(vm, 'ram'));
  } finally {
    await stage.clear(vm);
  }
}

/** The same by QEMU's own means. */
export async function byQemu(vm: string, move: QemuMove): Promise<Moved> {
  let end = async () => {};
  try {
    return await watched(vm, move, async () => {
      const { linkBytes, process } = await moveByQemu(vm, move);
      end = () => killGuest(process);
      return { sourceBytes: linkBytes, destinationBytes: linkBytes };
    });
  } finally {
    await end();
    rmSync(join(move.to, `${vm}.qcow2`), { force: true });
  }
}

async function watched(vm: string, { from, to }: Sides, move: () => Promise<Crossed>): Promise<Moved> {
  const guest = await bootGuest(vm, from);
  const over = new AbortController();
  try {
    const source = await GuestWatch.open(ownMonitorOf(vm, from), over.signal);
    const arriving = GuestWatch.open(ownMonitorOf(vm, to), over.signal);
    arriving.catch(() => undefined);
    const beganMs = systemClock.nowMs();
    const { sourceBytes, destinationBytes } = await move();
    const destination = await arriving;
    const { atMs } = await destination.until('RESUME');
    for (const watch of [source, destination]) await watch.quit();
    await assertArrived(join(from, `${vm}.qcow2`), join(to, `${vm}.qcow2`));
    const pauseMs = pauseBetween(source.moments, destination.moments);
    return { tookMs: atMs - beganMs, pauseMs, sourceBytes, destinationBytes };
  } finally {
    over.abort();
    await killGuest(guest);
  }
}
