import { lookupsPay } from '../../core/planner/lookups.ts';
import type { Clock } from '../../core/ports.ts';

/** Whether it pays to go on asking the index, by what this push has seen of it. */
export class Trial {
  readonly #clock: Clock;
  readonly #beganMs: number;
  #batches = 0;
  #foundBytes = 0;
  #sentBytes = 0;
  #waitedMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#beganMs = clock.nowMs();
  }

  get pays(): boolean {
    const seen = { batches: this.#batches, foundBytes: this.#foundBytes, sentBytes: this.#sentBytes };
    return lookupsPay({ ...seen, waitedMs: this.#waitedMs, elapsedMs: this.#clock.nowMs() - this.#beganMs });
  }

  /** The answers, with the time for which they were waited. */
  async *timed<T>(answers: AsyncGenerator<T>): AsyncGenerator<T> {
    try {
      for (;;) {
        const askedMs = this.#clock.nowMs();
        const next = await answers.next();
        this.#waitedMs += Math.max(0, this.#clock.nowMs() - askedMs);
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await answers.return(undefined);
    }
  }

  /** Raw bytes of a batch that was answered: the index had them, or has not. */
  note({ foundBytes, missingBytes }: { foundBytes: number; missingBytes: number }): void {
    this.#batches++;
    this.#foundBytes += foundBytes;
    this.#sentBytes += missingBytes;
  }
}
