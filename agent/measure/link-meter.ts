import { limits } from '../../core/limits.ts';
import type { Clock, ObjectStore } from '../../core/ports.ts';
import type { Measures } from './measures.ts';

/** One direction of the link: how many bytes went, in how much time in which any were on their way. */
class Direction {
  readonly #clock: Clock;
  readonly #tell: (bytesPerSecond: number) => void;
  #underWay = 0;
  #sinceMs = 0;
  #busyMs = 0;
  #bytes = 0;

  constructor(clock: Clock, tell: (bytesPerSecond: number) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  async measure<T>(transfer: () => Promise<T>, bytesOf: (done: T) => number): Promise<T> {
    if (this.#underWay++ === 0) this.#sinceMs = this.#clock.nowMs();
    try {
      const done = await transfer();
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
    if (this.#bytes < limits.rate_sample_bytes_min) return;
    this.#tell((1000 * this.#bytes) / this.#busyMs);
    this.#bytes = 0;
    this.#busyMs = 0;
  }
}

/** Measures what the link to the object store makes, from the transfers of all tasks. Small objects tell of calls, not of the link. */
export class LinkMeter {
  readonly #up: Direction;
  readonly #down: Direction;

  constructor(clock: Clock, measures: Pick<Measures, 'note'>) {
    this.#up = new Direction(clock, (rate) => measures.note('up', rate));
    this.#down = new Direction(clock, (rate) => measures.note('down', rate));
  }

  /** The same store, measured. */
  watch(store: ObjectStore): ObjectStore {
    return {
      tail: (key, bytes) => store.tail(key, bytes),
      get: (key, part) => {
        const get = () => store.get(key, part);
        const isLarge = 'length' in part && part.length >= limits.link_object_bytes_min;
        return isLarge ? this.#down.measure(get, (bytes) => bytes.length) : get();
      },
      put: (key, parts) => {
        const put = () => store.put(key, parts);
        const bytes = parts.reduce((sum, part) => sum + part.length, 0);
        const isLarge = bytes >= limits.link_object_bytes_min;
        return isLarge ? this.#up.measure(put, (outcome) => (outcome === 'written' ? bytes : 0)) : put();
      },
    };
  }
}
