import { isComputing, nextLevel } from '../../core/compression.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';

/** What is made of it (pace.ts). */
interface Learned {
  level: number;
  readonly clock: Clock;
  readonly linkBytesPerMs: number;
  arrived(bytes: number, ms: number): void;
  filled(bytes: number, ms: number): void;
}

/** A pack on its way: one of both is called once. */
export interface OnItsWay {
  readonly arrived: () => void;
  readonly lost: () => void;
}

/** A pack whose level matters comes to less of its raw bytes. */
const SHRUNK_SHARE = 0.75;
/** A link that takes so many times as long to carry what shrinks as that took to make is the slower one, whatever else the cores do. */
const FAR_SLOWER = 3;

/** No period begins before a link was to be seen. */
const NOT_SEEN = Number.NEGATIVE_INFINITY;

/** What an agent's writers of packs find out about their link: whether somebody waits for it, and how much is on its way. */
export class LinkWatch {
  readonly #pace: Learned;
  #onItsWay = 0;
  /** Bytes of what is on its way or waits for that, and how long the link had to carry it when the period began. */
  #bytesOnWay = 0;
  #backlogMs = 0;
  readonly #going = { waiting: 0, compressing: 0 };
  /** Until when it was counted, how long something was on its way, and how long somebody waited for that alone. */
  #countedMs = 0;
  #busyMs = 0;
  #waitedMs = 0;
  /** How long something was on its way since a pack has arrived. */
  #carryingMs = 0;
  /** What the last pack that shrank came to of its raw bytes. */
  #shrunkTo = 0;
  /** Packs filled in the period that is looked at: less than none as long as it is not to begin. */
  #packs = NOT_SEEN;
  #bytes = 0;
  #sinceMs = 0;

  constructor(pace: Learned) {
    this.#pace = pace;
  }

  /** Another writer begins. */
  begin(): void {
    this.#count();
    if (this.#onItsWay === 0) this.#packs = NOT_SEEN;
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

  /** A pack of so many bytes, made of so many raw ones, is on its way, or waits for that, from here on. */
  sending(bytes: number, rawBytes: number): OnItsWay {
    this.#count();
    this.#onItsWay++;
    this.#bytesOnWay += bytes;
    if (bytes < SHRUNK_SHARE * rawBytes) this.#shrunkTo = bytes / rawBytes;
    // What is made before the first packs are on their way makes no link wait.
    if (this.#packs === NOT_SEEN) this.#packs = -limits.frames_in_flight;
    const over = () => {
      this.#count();
      this.#onItsWay--;
      this.#bytesOnWay -= bytes;
    };
    const arrived = () => {
      over();
      this.#pace.arrived(bytes, this.#carryingMs);
      this.#carryingMs = 0;
    };
    const lost = () => {
      over();
      // What the link carried for nobody tells nothing.
      if (this.#onItsWay === 0) this.#carryingMs = 0;
    };
    return { arrived, lost };
  }

  /**
   * A pack of so many raw bytes was filled. The level is chosen anew by as many packs as go up at a time, for these arrive
   * together; after a rise not before the frames that were being compressed are done.
   */
  filled(bytes: number): void {
    this.#count();
    this.#packs++;
    this.#bytes += bytes;
    if (this.#packs === limits.uploads_in_flight) this.#choose();
    if (this.#packs > 0) return;
    this.#sinceMs = this.#countedMs;
    this.#backlogMs = this.#backlog;
    this.#busyMs = 0;
    this.#waitedMs = 0;
    this.#bytes = 0;
  }

  #choose(): void {
    const ms = this.#countedMs - this.#sinceMs;
    const { moreMs, lessMs } = this.#backlogged(ms);
    const idleMs = Math.min(ms, ms - this.#busyMs + lessMs);
    const period = { ms: ms + moreMs, waitedMs: this.#waitedMs + moreMs, idleMs };
    if (isComputing(period)) this.#pace.filled(this.#bytes, ms);
    const level = nextLevel(this.#pace.level, period);
    this.#packs = level > this.#pace.level ? -limits.frames_in_flight : 0;
    this.#pace.level = level;
  }

  /** How long the link has to carry what is on its way, or waits for that. */
  get #backlog(): number {
    return this.#bytesOnWay / this.#pace.linkBytesPerMs;
  }

  /**
   * By how much the backlog grew, and shrank, since the period began, as far as that matters: packs that are made faster than they are
   * sent would have been waited for, if many wait already, and of those that are made more slowly it runs out, unless there are many. A
   * short backlog that grows says nothing: it may be that cores that compress and send are the same, unless the link is far slower.
   */
  #backlogged(ms: number): { readonly moreMs: number; readonly lessMs: number } {
    const grewMs = this.#backlog - this.#backlogMs;
    const ahead = this.#backlog / limits.pack_backlog_ms;
    const more = this.#isFarSlower(ms) ? 1 : Math.min(1, Math.max(0, ahead - 1));
    const less = Math.max(0, 1 - ahead);
    return { moreMs: Math.max(0, grewMs) * more, lessMs: Math.max(0, -grewMs) * less };
  }

  /**
   * True if the link takes many times as long to carry what was filled in `ms`, if that shrinks as the last pack did that shrank. What
   * the clock can't tell from nothing says nothing: packs may be tiny.
   */
  #isFarSlower(ms: number): boolean {
    return ms > 0 && (this.#shrunkTo * this.#bytes) / this.#pace.linkBytesPerMs > FAR_SLOWER * ms;
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
    // A clock that was put back tells nothing.
    const ms = Math.max(0, nowMs - this.#countedMs);
    this.#countedMs = nowMs;
    if (this.#onItsWay === 0) return;
    this.#busyMs += (ms * Math.min(this.#onItsWay, limits.uploads_in_flight)) / limits.uploads_in_flight;
    this.#carryingMs += ms;
    if (this.#going.waiting > 0 && this.#going.compressing === 0) this.#waitedMs += ms;
  }
}
