import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';

/**
 * Work that may be done several at a time: how many bytes were done, in how much time in which any was under way. Told when none is,
 * for then nothing is half done, and after `limits.rate_window_ms` at the latest.
 */
export class Busy {
  readonly #clock: Clock;
  readonly #tell: (bytesPerSecond: number, bytes: number) => void;
  #underWay = 0;
  #sinceMs = 0;
  #busyMs = 0;
  #bytes = 0;

  constructor(clock: Clock, tell: (bytesPerSecond: number, bytes: number) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  async measure<T>(work: () => Promise<T>, bytesOf: (done: T) => number): Promise<T> {
    if (this.#underWay++ === 0) this.#sinceMs = this.#clock.nowMs();
    try {
      const done = await work();
      this.#bytes += bytesOf(done);
      return done;
    } finally {
      this.#underWay--;
      const nowMs = this.#clock.nowMs();
      this.#busyMs += Math.max(0, nowMs - this.#sinceMs);
      this.#sinceMs = nowMs;
      this.#settle();
    }
  }

  #settle(): void {
    if (this.#underWay > 0 && this.#busyMs < limits.rate_window_ms) return;
    if (this.#bytes < limits.rate_sample_bytes_min) return;
    this.#tell((1000 * this.#bytes) / this.#busyMs, this.#bytes);
    this.#bytes = 0;
    this.#busyMs = 0;
  }
}
