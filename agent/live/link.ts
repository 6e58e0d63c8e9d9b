import type { Clock } from '../../core/ports.ts';
import type { PushSink } from '../push/port.ts';

/** A sink whose time in use is measured: what a link makes is told by the time in which something was on it. */
export class TimedSink implements PushSink {
  readonly #sink: PushSink;
  readonly #clock: Clock;
  #underWay = 0;
  #sinceMs = 0;
  /** Milliseconds in which it stored something. */
  busyMs = 0;

  constructor(sink: PushSink, clock: Clock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  check: PushSink['check'] = (fingerprints) => this.#sink.check(fingerprints);
  announce: PushSink['announce'] = (packs, release) => this.#sink.announce(packs, release);
  commit: PushSink['commit'] = (round) => this.#sink.commit(round);

  put: PushSink['put'] = async (kind, id, parts) => {
    if (this.#underWay++ === 0) this.#sinceMs = this.#clock.nowMs();
    try {
      return await this.#sink.put(kind, id, parts);
    } finally {
      if (--this.#underWay === 0) this.busyMs += Math.max(0, this.#clock.nowMs() - this.#sinceMs);
    }
  };
}
