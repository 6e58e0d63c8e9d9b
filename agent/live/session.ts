import type { RoundStats } from '../../core/api/tasks.ts';
import type { Geometry } from '../../core/chunk.ts';
import { errorToJson } from '../../core/errors.ts';
import type { QemuDisk } from '../qemu/disks.ts';
import type { Qmp } from '../qemu/qmp.ts';
import { setThrottle, slower, type Throttle } from '../qemu/throttle.ts';
import { beginTracking, type TrackingOptions } from './begin-tracking.ts';
import type { LiveBook } from './book.ts';
import type { LiveLayer } from './live-layer.ts';
import { perSecond, writtenBytes } from './measure.ts';
import type { RoundKind, Tracking } from './tracking.ts';

export interface SessionOptions extends TrackingOptions {
  readonly migration: string;
  readonly disk: QemuDisk & { readonly qdev: string };
  readonly book: LiveBook;
  /** The limits that the guest's disk has but for ours. */
  readonly throttle: Throttle;
}

/** What a push of a round tells. */
export interface Sent {
  readonly wireBytes: number;
  /** Time in which it sent. */
  readonly milliseconds: number;
}

/** A running VM that is being migrated: what was sent of its top layer, and what its QEMU was asked to do for that. */
export class LiveSession {
  readonly qmp: Qmp;
  readonly geometry: Geometry;
  readonly book: LiveBook;
  readonly vm: string;
  readonly migration: string;
  /** Raw bytes that its rounds have made durable, one with another. */
  doneBytes = 0;
  /** Of the last round that was committed, as far as it is known. */
  cursor: string | undefined;
  readonly #options: SessionOptions;
  readonly #tracking: Tracking;
  #isSlowed = false;

  private constructor(options: SessionOptions, tracking: Tracking) {
    this.qmp = options.qmp;
    this.geometry = options.geometry;
    this.book = options.book;
    this.vm = options.vm;
    this.migration = options.migration;
    this.#options = options;
    this.#tracking = tracking;
  }

  /** Errors: those of beginTracking. */
  static async begin(options: SessionOptions, signal: AbortSignal): Promise<LiveSession> {
    return new LiveSession(options, await beginTracking(options, signal));
  }

  /**
   * Lets the guest write so many bytes a second at the most, or as many as before the migration. Errors: those of
   * Qmp.execute.
   */
  async slowDown(bytesPerSecond: number | undefined, signal?: AbortSignal): Promise<void> {
    const { qmp, disk, throttle } = this.#options;
    if (bytesPerSecond === undefined && !this.#isSlowed) return;
    this.#isSlowed = true;
    const wanted = bytesPerSecond === undefined ? throttle : slower(throttle, bytesPerSecond);
    await setThrottle(qmp, disk.qdev, wanted, { signal });
    this.#isSlowed = bytesPerSecond !== undefined;
  }

  /** True once a round has copied all that the top layer held. */
  get hasAll(): boolean {
    return this.#tracking.hasAll;
  }

  /** Bytes that the guest has written since the last round began. Errors: those of Tracking.remainingBytes. */
  remainingBytes(signal: AbortSignal): Promise<number> {
    return this.#tracking.remainingBytes(signal);
  }

  /** False if what the guest writes is followed no more: a new session must be begun. */
  get isAlive(): boolean {
    return this.#tracking.isAlive;
  }

  /** Reads and sends one round, and measures it. Errors: those of Tracking.round and of `push`. */
  async round(
    { number: round, ...kind }: RoundKind & { readonly number: number },
    signal: AbortSignal,
    push: (layer: LiveLayer) => Promise<Sent>,
  ): Promise<RoundStats> {
    const { qmp, clock, disk, book } = this.#options;
    const beganMs = clock.nowMs();
    // Asked before the round begins, which does not wait for the answer.
    const before = writtenBytes(qmp, disk.qdev, signal);
    before.catch(() => undefined);
    let dirtyBytes = 0;
    let sent: Sent;
    try {
      sent = await this.#tracking.round(kind, signal, async (layer) => {
        const pushed = await push(layer);
        dirtyBytes = layer.touchedBytes;
        return pushed;
      });
      book.ended('well');
    } catch (error) {
      book.ended('failed');
      throw error;
    }
    const remaining = await this.#tracking.remainingBytes(signal);
    const milliseconds = clock.nowMs() - beganMs;
    return {
      round,
      dirty_bytes: dirtyBytes,
      sent_bytes: sent.wireBytes,
      milliseconds,
      remaining_bytes: remaining,
      guest_write_bytes_per_second: perSecond(
        (await writtenBytes(qmp, disk.qdev, signal)) - (await before),
        milliseconds,
      ),
      link_bytes_per_second: perSecond(sent.wireBytes, sent.milliseconds),
    };
  }

  /**
   * Leaves the VM as it was: it runs on, as fast as before, and nothing of ours is in its QEMU. Answers whether that could be
   * done. Never rejects.
   */
  async end(): Promise<boolean> {
    const { log, vm } = this.#options;
    let isDone = true;
    for (const put of [() => this.slowDown(undefined), () => this.#tracking.end()]) {
      await put().catch((error: unknown) => {
        isDone = false;
        log.warn({ vm, error: errorToJson(error) }, 'something of a migration is left at a running VM');
      });
    }
    await this.#close();
    return isDone;
  }

  /** Lets go of a VM that has gone: there is nothing to put back. Never rejects. */
  async forget(): Promise<void> {
    await this.#quietly(this.#tracking.forget());
    await this.#close();
  }

  async #close(): Promise<void> {
    this.qmp.close();
    await this.#quietly(this.#options.book.remove());
  }

  async #quietly(removed: Promise<void>): Promise<void> {
    const { log, vm } = this.#options;
    await removed.catch((error: unknown) => log.warn({ vm, error: errorToJson(error) }, 'a file can’t be removed'));
  }
}
