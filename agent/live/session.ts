import type { RoundStats } from '../../core/api/tasks.ts';
import { errorToJson } from '../../core/errors.ts';
import type { Qmp } from '../qemu/qmp.ts';
import { setThrottle, shareOf, slower, type Throttle } from '../qemu/throttle.ts';
import { beginTracking, type DiskToTrack, type TrackingOptions } from './begin-tracking.ts';
import type { LiveBook } from './book.ts';
import type { LiveLayer } from './live-layer.ts';
import { perSecond, writtenBytes } from './measure.ts';
import type { RoundKind, Tracking } from './tracking.ts';

/** A disk of a running VM that is being migrated, and what was sent of its top layer. */
export interface LiveDisk extends DiskToTrack {
  /** Which one it is of a VM that has several. */
  readonly disk: string | undefined;
  /** Its device. */
  readonly qdev: string;
  /** The limits that it has but for ours. */
  readonly throttle: Throttle;
  readonly book: LiveBook;
  /** Raw bytes that its rounds have made durable, one with another. */
  doneBytes: number;
  /** Of the last round that was committed, as far as it is known. */
  cursor: string | undefined;
}

export interface SessionOptions extends TrackingOptions {
  readonly migration: string;
  /** One at least. */
  readonly disks: readonly LiveDisk[];
}

/** What a push of a round tells. */
export interface Sent {
  readonly wireBytes: number;
  /** Time in which it sent. */
  readonly milliseconds: number;
}

/** A running VM that is being migrated: what was sent of its top layers, and what its QEMU was asked to do for that. */
export class LiveSession {
  readonly qmp: Qmp;
  readonly vm: string;
  readonly migration: string;
  readonly disks: readonly LiveDisk[];
  readonly #options: SessionOptions;
  readonly #tracking: Tracking;
  #isSlowed = false;

  private constructor(options: SessionOptions, tracking: Tracking) {
    this.qmp = options.qmp;
    this.vm = options.vm;
    this.migration = options.migration;
    this.disks = options.disks;
    this.#options = options;
    this.#tracking = tracking;
  }

  /** Errors: those of beginTracking. */
  static async begin(options: SessionOptions, signal: AbortSignal): Promise<LiveSession> {
    return new LiveSession(options, await beginTracking(options, signal));
  }

  /**
   * Lets the guest write so many bytes a second at the most, on all disks together, or as many as before the migration. Errors:
   * those of Qmp.execute.
   */
  async slowDown(bytesPerSecond: number | undefined, signal?: AbortSignal): Promise<void> {
    if (bytesPerSecond === undefined && !this.#isSlowed) return;
    this.#isSlowed = true;
    for (const { qdev, throttle } of this.disks) {
      const share = bytesPerSecond === undefined ? undefined : shareOf(bytesPerSecond, this.disks.length);
      await setThrottle(this.qmp, qdev, share === undefined ? throttle : slower(throttle, share), { signal });
    }
    this.#isSlowed = bytesPerSecond !== undefined;
  }

  /** True once a round has copied all that the top layers held. */
  get hasAll(): boolean {
    return this.#tracking.hasAll;
  }

  /** False if what the guest writes is followed no more: a new session must be begun. */
  get isAlive(): boolean {
    return this.#tracking.isAlive;
  }

  /** Bytes that the guest has written since the last round began. Errors: those of Tracking.remainingBytes. */
  remainingBytes(signal: AbortSignal): Promise<number> {
    return this.#tracking.remainingBytes(signal);
  }

  /** Reads and sends one round of all disks, and measures it. Errors: those of Tracking.round and of `push`. */
  async round(
    { number: round, ...kind }: RoundKind & { readonly number: number },
    signal: AbortSignal,
    push: (layers: readonly LiveLayer[]) => Promise<Sent>,
  ): Promise<RoundStats> {
    const { clock, disks } = this.#options;
    const beganMs = clock.nowMs();
    // Asked before the round begins, which does not wait for the answer.
    const before = this.#written(signal);
    before.catch(() => undefined);
    let dirtyBytes = 0;
    let sent: Sent;
    try {
      sent = await this.#tracking.round(kind, signal, async (layers) => {
        const pushed = await push(layers);
        dirtyBytes = layers.reduce((sum, layer) => sum + layer.touchedBytes, 0);
        return pushed;
      });
      for (const { book } of disks) book.ended('well');
    } catch (error) {
      for (const { book } of disks) book.ended('failed');
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
      guest_write_bytes_per_second: perSecond((await this.#written(signal)) - (await before), milliseconds),
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
    await this.#kept(this.#tracking.forget());
    await this.#close();
  }

  #written(signal: AbortSignal): Promise<number> {
    const qdevs = this.disks.map(({ qdev }) => qdev);
    return writtenBytes(this.qmp, qdevs, signal);
  }

  async #close(): Promise<void> {
    this.qmp.close();
    for (const { book } of this.disks) await this.#kept(book.remove());
  }

  async #kept(removed: Promise<void>): Promise<void> {
    const { log, vm } = this.#options;
    await removed.catch((error: unknown) => log.warn({ vm, error: errorToJson(error) }, 'a file can’t be removed'));
  }
}
