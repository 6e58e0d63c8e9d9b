import { Slots } from './slots.ts';
import type { Stop } from './stop.ts';

/** Work beside the caller's own, `limit` at a time. The first that fails stops all. */
export class Background {
  readonly #slots: Slots;
  readonly #stop: Stop;
  readonly #running = new Set<Promise<void>>();

  constructor(limit: number, stop: Stop) {
    this.#slots = Slots.count(limit);
    this.#stop = stop;
  }

  /** Waits until there is room, then starts `work` and returns. */
  async start(work: () => Promise<void>): Promise<void> {
    const slot = await this.#slots.take(this.#stop.signal);
    const run = work()
      .catch((error: unknown) => {
        this.#stop.fail(error);
      })
      .finally(() => {
        this.#running.delete(run);
        this.#slots.give(slot);
      });
    this.#running.add(run);
  }

  /** Waits until all of it has ended well; throws what stopped it otherwise. */
  async drain(): Promise<void> {
    await this.ended();
    this.#stop.signal.throwIfAborted();
  }

  /** Waits until all of it has ended, well or not. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
