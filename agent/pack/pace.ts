import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import { LinkWatch } from './link-watch.ts';

/** Bytes and milliseconds of packs: raw ones of those that were filled at the lowest level where the compressor was slower than the link, or stored ones that were sent. */
export interface Filled {
  readonly bytes: number;
  readonly ms: number;
}

/** Of what earlier packs told about the link, what counts beside the next one. */
const REMEMBERED_SHARE = 0.75;

/** What an agent knows of its link: the level at which it has time to compress, and what it carries. All its pushes share it: their link is one. */
export class Pace {
  level: number = limits.pack_level_default;
  readonly clock: Clock;
  readonly link: LinkWatch = new LinkWatch(this);
  #carried: Filled = { bytes: 0, ms: 0 };
  #filled: Filled = { bytes: 0, ms: 0 };

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Bytes that the link carries in a millisecond; as many as you like as long as it has carried none. */
  get linkBytesPerMs(): number {
    const { bytes, ms } = this.#carried;
    return ms > 0 ? bytes / ms : Number.POSITIVE_INFINITY;
  }

  /** What the link carried when it was seen before, as long as nothing has told of it since. */
  remember(bytesPerSecond: number): void {
    if (this.#carried.ms === 0 && Number.isFinite(bytesPerSecond)) this.#carried = { bytes: bytesPerSecond, ms: 1000 };
  }

  /** A pack of so many bytes has arrived; since the one before the link has carried something for `ms`. */
  arrived(bytes: number, ms: number): void {
    const before = this.#carried;
    this.#carried = { bytes: before.bytes * REMEMBERED_SHARE + bytes, ms: before.ms * REMEMBERED_SHARE + ms };
  }

  filled(bytes: number, ms: number): void {
    if (this.level !== limits.pack_level_default) return;
    this.#filled = { bytes: this.#filled.bytes + bytes, ms: this.#filled.ms + ms };
  }

  /** What was filled since this was asked last: it tells how fast the cores are with all else that they do. */
  take(): Filled {
    const filled = this.#filled;
    this.#filled = { bytes: 0, ms: 0 };
    return filled;
  }
}
