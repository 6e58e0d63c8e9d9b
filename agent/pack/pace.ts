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
  #sinceMs: number | undefined;
  #waitedMs = 0;
  #idleMs = 0;
  #onItsWay = 0;
  /** Since when nothing is on its way. */
  #idleSinceMs = 0;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Waits for room, and counts how long that took. */
  async waiting<T>(room: Promise<T>): Promise<T> {
    const { clock } = this.#pace;
    const beganMs = clock.nowMs();
    const got = await room;
    this.#waitedMs += clock.nowMs() - beganMs;
    return got;
  }

  /** A pack is on its way from here on; what this gives is called when it has arrived. */
  sending(): () => void {
    const { clock } = this.#pace;
    if (this.#onItsWay++ === 0) this.#idleMs += clock.nowMs() - this.#idleSinceMs;
    return () => {
      if (--this.#onItsWay === 0) this.#idleSinceMs = clock.nowMs();
    };
  }

  /** A pack was filled: the level is chosen anew, unless there was no pack before, whose link was to be seen. */
  filled(): void {
    const nowMs = this.#pace.clock.nowMs();
    if (this.#onItsWay === 0) this.#idleMs += nowMs - this.#idleSinceMs;
    this.#idleSinceMs = nowMs;
    if (this.#sinceMs !== undefined) {
      const period = { ms: nowMs - this.#sinceMs, waitedMs: this.#waitedMs, idleMs: this.#idleMs };
      this.#pace.level = nextLevel(this.#pace.level, period);
    }
    this.#sinceMs = nowMs;
    this.#waitedMs = 0;
    this.#idleMs = 0;
  }
}
