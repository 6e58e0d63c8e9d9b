import { nextLevel } from '../../core/compression.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';

/** The level at which an agent compresses, as its link leaves it time to. All its pushes share it: their link is one. */
export class Pace {
  level: number = limits.pack_level_default;
  readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }
}

/** What one writer of packs finds out about its link: whoever waits for it, and when nothing is on its way. */
export class LinkWatch {
  readonly #pace: Pace;
  #onItsWay = 0;
  /** How long something was on its way, up to `#turnedMs`: when that began or ended last. */
  #busyMs = 0;
  #turnedMs: number | undefined;
  /** The period that is looked at, from the first pack that was filled while there was a link to be seen. */
  #period: { sinceMs: number; busyMs: number; waitedMs: number } | undefined;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Waits for room. While nothing is on its way, it is not the link that makes it wait. */
  async waiting<T>(room: Promise<T>): Promise<T> {
    const beforeMs = this.#busy();
    const got = await room;
    if (this.#period !== undefined) this.#period.waitedMs += this.#busy() - beforeMs;
    return got;
  }

  /** A pack is on its way from here on; what this gives is called when it has arrived. */
  sending(): () => void {
    this.#turn(1);
    return () => this.#turn(-1);
  }

  /** A pack was filled: the level is chosen anew. */
  filled(): void {
    const nowMs = this.#pace.clock.nowMs();
    const busyMs = this.#busy();
    if (this.#period !== undefined) {
      const ms = nowMs - this.#period.sinceMs;
      const idleMs = ms - (busyMs - this.#period.busyMs);
      this.#pace.level = nextLevel(this.#pace.level, { ms, waitedMs: this.#period.waitedMs, idleMs });
    }
    // What is made before the first pack is on its way makes no link wait.
    if (this.#turnedMs !== undefined) this.#period = { sinceMs: nowMs, busyMs, waitedMs: 0 };
  }

  #busy(): number {
    return this.#onItsWay === 0 ? this.#busyMs : this.#busyMs + this.#pace.clock.nowMs() - this.#turnedMs!;
  }

  #turn(by: 1 | -1): void {
    this.#busyMs = this.#busy();
    this.#turnedMs = this.#pace.clock.nowMs();
    this.#onItsWay += by;
  }
}
