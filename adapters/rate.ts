import { limits } from '../core/limits.ts';
import type { Clock, ObjectStore } from '../core/ports.ts';

/**
 * A rate in bytes a second that senders share (a token bucket): in any time they send what it allows in that time at the
 * most, and what `limits.rate_burst_ms` allow.
 */
export class Rate {
  readonly #clock: Clock;
  #bytesPerMs: number;
  /** Until when what was sent takes up the rate. */
  #takenMs = Number.NEGATIVE_INFINITY;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** What is not lent. */
  get bytesPerSecond(): number {
    return this.#bytesPerMs * 1000;
  }

  /** Resolves when so many bytes may be sent; whoever asks first goes first. Rejects with the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const nowMs = this.#clock.nowMs();
    this.#takenMs = Math.max(nowMs - limits.rate_burst_ms, this.#takenMs) + bytes / this.#bytesPerMs;
    if (this.#takenMs > nowMs) await this.#clock.sleep(this.#takenMs - nowMs, signal);
  }

  /**
   * Half of what is left of the rate, for somebody who keeps to it himself: the others have the other half until he gives it back.
   */
  lend(): Lent {
    const share = this.#bytesPerMs / 2;
    this.#bytesPerMs -= share;
    let isBack = false;
    return {
      bytesPerSecond: share * 1000,
      giveBack: () => {
        if (!isBack) this.#bytesPerMs += share;
        isBack = true;
      },
    };
  }
}

export interface Lent {
  readonly bytesPerSecond: number;
  /** May be repeated. */
  giveBack(): void;
}

/** A store whose writes keep to a rate. */
export function limitStore(store: ObjectStore, rate: Rate, signal: AbortSignal): ObjectStore {
  return {
    get: (key, part) => store.get(key, part),
    tail: (key, bytes) => store.tail(key, bytes),
    async put(key, parts) {
      await rate.take(
        parts.reduce((sum, part) => sum + part.length, 0),
        signal,
      );
      return await store.put(key, parts);
    },
  };
}
