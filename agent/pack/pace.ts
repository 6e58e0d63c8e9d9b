import { isComputing, nextLevel } from '../../core/compression.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';

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

/** As many as there are buffers for. */
const PACKS_UNDER_WAY = limits.uploads_in_flight + limits.packs_waiting_max;
/** No period begins before a link was to be seen. */
const NOT_SEEN = Number.NEGATIVE_INFINITY;

/** What one writer of packs finds out about its link: whoever waits for it, and when nothing is on its way. */
export class LinkWatch {
  readonly #pace: Pace;
  #onItsWay = 0;
  readonly #going = { waiting: 0, compressing: 0 };
  /** Until when it was counted, how long something was on its way, and how long somebody waited for that alone. */
  #countedMs = 0;
  #busyMs = 0;
  #waitedMs = 0;
  /** How long something was on its way since a pack has arrived. */
  #carryingMs = 0;
  /** Packs filled in the period that is looked at: less than none as long as it is not to begin. */
  #packs = NOT_SEEN;
  #bytes = 0;
  #sinceMs = 0;

  constructor(pace: Pace) {
    this.#pace = pace;
    this.#countedMs = pace.clock.nowMs();
  }

  /**
   * Waits for room. It counts while something is on its way, for else it is not the link that makes it wait, and nothing is being
   * compressed: what is, the link has left time for.
   */
  waiting<T>(room: Promise<T>): Promise<T> {
    return this.#during('waiting', room);
  }

  /** A frame is being compressed until this settles. */
  compressing<T>(frame: Promise<T>): Promise<T> {
    return this.#during('compressing', frame);
  }

  /** The level for the next frame: the lowest one while the link has nothing to carry and nobody makes anything for it. */
  get level(): number {
    const isStarved = this.#onItsWay === 0 && this.#going.compressing === 0;
    return isStarved ? limits.pack_level_default : this.#pace.level;
  }

  /** A pack of so many bytes is on its way from here on; what this gives is called when it has arrived. */
  sending(bytes: number): () => void {
    this.#count();
    this.#onItsWay++;
    // What is made before the first pack is on its way makes no link wait.
    if (this.#packs === NOT_SEEN) this.#packs = -1;
    return () => {
      this.#count();
      this.#onItsWay--;
      this.#pace.arrived(bytes, this.#carryingMs);
      this.#carryingMs = 0;
    };
  }

  /**
   * A pack of so many raw bytes was filled. The level is chosen anew by as many packs as go up at a time, for these arrive
   * together; after a rise not before the packs that were under way have gone, for until then the link shows what it made of those.
   */
  filled(bytes: number): void {
    this.#count();
    this.#packs++;
    this.#bytes += bytes;
    if (this.#packs === limits.uploads_in_flight) this.#choose();
    if (this.#packs > 0) return;
    this.#sinceMs = this.#countedMs;
    this.#busyMs = 0;
    this.#waitedMs = 0;
    this.#bytes = 0;
  }

  #choose(): void {
    const ms = this.#countedMs - this.#sinceMs;
    const period = { ms, waitedMs: this.#waitedMs, idleMs: ms - this.#busyMs };
    if (isComputing(period)) this.#pace.filled(this.#bytes, ms);
    const level = nextLevel(this.#pace.level, period);
    this.#packs = level > this.#pace.level ? -PACKS_UNDER_WAY : 0;
    this.#pace.level = level;
  }

  async #during<T>(what: 'waiting' | 'compressing', work: Promise<T>): Promise<T> {
    this.#count();
    this.#going[what]++;
    try {
      return await work;
    } finally {
      this.#count();
      this.#going[what]--;
    }
  }

  #count(): void {
    const nowMs = this.#pace.clock.nowMs();
    const ms = nowMs - this.#countedMs;
    this.#countedMs = nowMs;
    if (this.#onItsWay === 0) return;
    this.#busyMs += ms;
    this.#carryingMs += ms;
    if (this.#going.waiting > 0 && this.#going.compressing === 0) this.#waitedMs += ms;
  }
}
