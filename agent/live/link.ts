import type { Clock } from '../../core/ports.ts';
import type { PushSink } from '../push/port.ts';

/** The time in which something is on a link: what the link makes is told by it, whoever sends. */
export class LinkTime {
  readonly #clock: Clock;
  #underWay = 0;
  #sinceMs = 0;
  /** Milliseconds in which something was on it. */
  busyMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#underWay++ === 0) this.#sinceMs = this.#clock.nowMs();
    try {
      return await work();
    } finally {
      if (--this.#underWay === 0) this.busyMs += Math.max(0, this.#clock.nowMs() - this.#sinceMs);
    }
  }
}

/** A sink that tells when it stores something. */
export class TimedSink implements PushSink {
  readonly #sink: PushSink;
  readonly #link: LinkTime;

  constructor(sink: PushSink, link: LinkTime) {
    this.#sink = sink;
    this.#link = link;
  }

  check: PushSink['check'] = (fingerprints) => this.#sink.check(fingerprints);
  announce: PushSink['announce'] = (packs, release) => this.#sink.announce(packs, release);
  commit: PushSink['commit'] = (round) => this.#sink.commit(round);
  put: PushSink['put'] = (kind, id, parts) => this.#link.during(() => this.#sink.put(kind, id, parts));
}
