import { withDeadline } from '../../adapters/deadline.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { errorToJson, LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Log } from '../daemon/log.ts';
import { type NbdClient, openNbd } from '../nbd/client.ts';
import { addBitmaps, mergeBitmap, removeBitmap, removeOurBitmaps, swapBitmaps } from '../qemu/bitmaps.ts';
import { disksOf } from '../qemu/disks.ts';
import { addExport, removeExport, removeOurExports, startServer, stopServer } from '../qemu/exports.ts';
import { isSaying } from '../qemu/failure.ts';
import { OURS } from '../qemu/ours.ts';
import type { Qmp } from '../qemu/qmp.ts';
import { contextsOf, type LiveLayer, liveLayer, type Which } from './live-layer.ts';
import type { RoundKind, Tracking } from './tracking.ts';

export interface BitmapTrackerOptions {
  readonly qmp: Qmp;
  readonly clock: Clock;
  readonly log: Log;
  /** The disk's top node. */
  readonly node: string;
  /** Where QEMU is to serve the disk's blocks: a path that it may create. */
  readonly socket: string;
  /** Bytes that one bit of a bitmap stands for. */
  readonly granularity: number;
}

const EXPORT = `${OURS}export`;

/**
 * Tells what a guest writes, round by round, and lets each round be read. In this order, always: what is written from
 * now on is noted in the next bitmap; the one before is exported and read; the export goes, by QEMU's own hand; and only then
 * the bitmap. A round that fails gives what it had to the next one.
 */
export class BitmapTracker implements Tracking {
  readonly #options: BitmapTrackerOptions;
  #number = 0;
  /** The first round is done. */
  hasAll = false;
  #lost: unknown;

  private constructor(options: BitmapTrackerOptions) {
    this.#options = options;
  }

  /** Clears away what an earlier run left, and begins. Errors: NBD_SERVER_TAKEN, those of Qmp.execute. */
  static async begin(options: BitmapTrackerOptions, signal: AbortSignal): Promise<BitmapTracker> {
    const { qmp, node, socket, granularity } = options;
    const tracker = new BitmapTracker(options);
    await removeOurExports(qmp, signal);
    await removeOurBitmaps(qmp, signal);
    await startServer(qmp, socket, signal);
    await addBitmaps(qmp, [{ node, name: tracker.#bitmap }], granularity, { signal });
    return tracker;
  }

  /**
   * Lets `use` read one round: all that the top layer holds at first, then what was written since the round before.
   * Errors: those of `use`, of Qmp.execute and of openNbd; TRACKING_LOST if an earlier one left nothing to go on with.
   */
  async round<T>(_: RoundKind, signal: AbortSignal, use: (layer: LiveLayer) => Promise<T>): Promise<T> {
    if (this.#lost !== undefined) throw trackingLost(this.#lost);
    if (this.hasAll) return await this.#changed(signal, use);
    const done = await this.#read({ kind: 'all' }, signal, use);
    this.hasAll = true;
    return done;
  }

  /** Bytes that were written since the last round began. Errors: TRACKING_LOST, those of Qmp.execute. */
  async remainingBytes(signal: AbortSignal): Promise<number> {
    const { qmp, node } = this.#options;
    const disk = (await disksOf(qmp, signal)).find((each) => each.node === node);
    const bitmap = disk?.bitmaps.find(({ name }) => name === this.#bitmap);
    if (bitmap === undefined) throw trackingLost('its bitmap is gone');
    return bitmap.dirtyBytes;
  }

  get isAlive(): boolean {
    return this.#lost === undefined;
  }

  /** Takes all that is ours out of QEMU. Errors: those of Qmp.execute, QMP_TIMEOUT. */
  async end(): Promise<void> {
    await this.#cleanly(async (signal) => {
      const { qmp } = this.#options;
      const { othersLeft } = await removeOurExports(qmp, signal);
      if (!othersLeft) await stopServer(qmp, signal);
      await removeOurBitmaps(qmp, signal);
    });
  }

  /** All that it has is in QEMU. */
  async forget(): Promise<void> {}

  get #bitmap(): string {
    return `${OURS}${this.#number}`;
  }

  async #changed<T>(signal: AbortSignal, use: (layer: LiveLayer) => Promise<T>): Promise<T> {
    const { qmp, node, granularity } = this.#options;
    const current = this.#bitmap;
    const next = `${OURS}${this.#number + 1}`;
    await swapBitmaps(qmp, [{ node, current, next }], granularity).catch((error: unknown) => {
      // Whether it was done can't be told: neither bitmap is sure to have all.
      if (qmp.ended.aborted || !(error instanceof LayerMoverError) || error.code !== 'QMP_COMMAND_FAILED')
        this.#lost = error;
      throw error;
    });
    this.#number++;
    try {
      const done = await this.#read({ kind: 'dirty', bitmap: current }, signal, use);
      await this.#cleanly((within) => removeBitmap(qmp, { node, name: current }, { signal: within }));
      return done;
    } catch (error) {
      await this.#mergeBack(current);
      throw error;
    }
  }

  async #mergeBack(from: string): Promise<void> {
    const { qmp, node, log } = this.#options;
    try {
      await this.#cleanly((signal) => mergeBitmap(qmp, { node, from, into: this.#bitmap }, { signal }));
    } catch (error) {
      this.#lost = error;
      log.warn({ node, error: errorToJson(error) }, 'what a failed round had to copy can’t be given to the next one');
    }
  }

  async #read<T>(which: Which, signal: AbortSignal, use: (layer: LiveLayer) => Promise<T>): Promise<T> {
    const { qmp, clock, node, socket } = this.#options;
    const bitmap = which.kind === 'dirty' ? which.bitmap : undefined;
    await serve(qmp, socket, () => addExport(qmp, { id: EXPORT, node, bitmap }, signal), signal);
    let client: NbdClient | undefined;
    try {
      client = await openNbd(unixSocket(socket), { exportName: EXPORT, contexts: contextsOf(which), clock, signal });
      return await use(liveLayer(client, which, signal));
    } finally {
      await this.#cleanly((within) => removeExport(qmp, EXPORT, within)).finally(() => client?.close());
    }
  }

  /** What must be put in order is, whatever became of the task; but nobody waits for ever. */
  #cleanly<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = () => new LayerMoverError('QMP_TIMEOUT', 'the VM’s QEMU did not let go of its disk in time');
    return withDeadline(work, { clock: this.#options.clock, ms: limits.live_cleanup_ms, late });
  }
}

/** Somebody may have ended QEMU's server since it was begun. */
async function serve(qmp: Qmp, socket: string, add: () => Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await add();
  } catch (error) {
    if (!isSaying(error, /not running/i)) throw error;
    await startServer(qmp, socket, signal);
    await add();
  }
}

function trackingLost(cause: unknown): LayerMoverError {
  return new LayerMoverError('TRACKING_LOST', 'nobody can tell any more what the guest has written', {
    hint: 'the next round reads all of the disk again',
    cause,
  });
}
