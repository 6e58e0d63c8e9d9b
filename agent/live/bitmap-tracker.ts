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
  /** The top nodes of the disks. */
  readonly nodes: readonly string[];
  /** Where QEMU is to serve the disks’ blocks: a path that it may create. */
  readonly socket: string;
  /** Bytes that one bit of a bitmap stands for. */
  readonly granularity: number;
}

const EXPORT = `${OURS}export`;

/**
 * Tracking by bitmaps, which QEMU lets nobody read but over NBD. In this order, always: what is written from now on is noted in
 * the next bitmap, on all disks from one moment on; the ones before are exported and read; the exports go, by QEMU's own hand;
 * and only then the bitmaps.
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
    const { qmp, nodes, socket, granularity } = options;
    const tracker = new BitmapTracker(options);
    await removeOurExports(qmp, signal);
    await removeOurBitmaps(qmp, signal);
    await startServer(qmp, socket, signal);
    const bitmaps = nodes.map((node) => ({ node, name: tracker.#bitmap }));
    await addBitmaps(qmp, bitmaps, granularity, { signal });
    return tracker;
  }

  /** Errors, beside those of `use` and TRACKING_LOST: those of Qmp.execute and of openNbd. */
  async round<T>(_: RoundKind, signal: AbortSignal, use: (layers: readonly LiveLayer[]) => Promise<T>): Promise<T> {
    if (this.#lost !== undefined) throw trackingLost(this.#lost);
    if (this.hasAll) return await this.#changed(signal, use);
    const done = await this.#read({ kind: 'all' }, signal, use);
    this.hasAll = true;
    return done;
  }

  /** Errors: TRACKING_LOST, those of Qmp.execute. */
  async remainingBytes(signal: AbortSignal): Promise<number> {
    const { qmp, nodes } = this.#options;
    const disks = await disksOf(qmp, signal);
    const dirty = nodes.map((node) => {
      const disk = disks.find((each) => each.node === node);
      const bitmap = disk?.bitmaps.find(({ name }) => name === this.#bitmap);
      if (bitmap === undefined) throw trackingLost(`the bitmap of ${node} is gone`);
      return bitmap.dirtyBytes;
    });
    return dirty.reduce((sum, bytes) => sum + bytes, 0);
  }

  get isAlive(): boolean {
    return this.#lost === undefined;
  }

  /** Errors: those of Qmp.execute, QMP_TIMEOUT. */
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

  async #changed<T>(signal: AbortSignal, use: (layers: readonly LiveLayer[]) => Promise<T>): Promise<T> {
    const { qmp, nodes, granularity } = this.#options;
    const current = this.#bitmap;
    const next = `${OURS}${this.#number + 1}`;
    const swaps = nodes.map((node) => ({ node, current, next }));
    await swapBitmaps(qmp, swaps, granularity).catch((error: unknown) => {
      // Whether it was done can't be told: neither bitmap is sure to have all.
      if (qmp.ended.aborted || !(error instanceof LayerMoverError) || error.code !== 'QMP_COMMAND_FAILED')
        this.#lost = error;
      throw error;
    });
    this.#number++;
    try {
      const done = await this.#read({ kind: 'dirty', bitmap: current }, signal, use);
      await this.#cleanly(async (signal) => {
        for (const node of nodes) await removeBitmap(qmp, { node, name: current }, { signal });
      });
      return done;
    } catch (error) {
      await this.#mergeBack(current);
      throw error;
    }
  }

  async #mergeBack(from: string): Promise<void> {
    const { qmp, nodes, log } = this.#options;
    try {
      await this.#cleanly(async (signal) => {
        for (const node of nodes) await mergeBitmap(qmp, { node, from, into: this.#bitmap }, { signal });
      });
    } catch (error) {
      this.#lost = error;
      log.warn({ nodes, error: errorToJson(error) }, 'what a failed round had to copy can’t be given to the next one');
    }
  }

  async #read<T>(which: Which, signal: AbortSignal, use: (layers: readonly LiveLayer[]) => Promise<T>): Promise<T> {
    const { clock, nodes, socket } = this.#options;
    const exports: string[] = [];
    const clients: NbdClient[] = [];
    try {
      for (const [at, node] of nodes.entries()) {
        exports.push(await this.#export(`${EXPORT}-${at}`, node, which, signal));
      }
      for (const exportName of exports) {
        clients.push(await openNbd(unixSocket(socket), { exportName, contexts: contextsOf(which), clock, signal }));
      }
      return await use(clients.map((client) => liveLayer(client, which, signal)));
    } finally {
      await this.#end(exports).finally(() => {
        for (const client of clients) client.close();
      });
    }
  }

  async #export(id: string, node: string, which: Which, signal: AbortSignal): Promise<string> {
    const { qmp, socket } = this.#options;
    const bitmap = which.kind === 'dirty' ? which.bitmap : undefined;
    await serve(qmp, socket, () => addExport(qmp, { id, node, bitmap }, signal), signal);
    return id;
  }

  #end(exports: readonly string[]): Promise<void> {
    const { qmp } = this.#options;
    return this.#cleanly(async (signal) => {
      await Promise.all(exports.map((id) => removeExport(qmp, id, signal)));
    });
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
