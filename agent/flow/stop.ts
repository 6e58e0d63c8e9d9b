/** What ends a piece of work early: its caller's signal, or its own first failure. Whoever waits within it gets the reason. */
export class Stop {
  readonly signal: AbortSignal;
  readonly #own = new AbortController();

  constructor(outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.#own.signal]);
  }

  /** Stops everything with this error, unless it was stopped before; gives what it was stopped with. */
  fail(error: unknown): unknown {
    if (!this.signal.aborted) this.#own.abort(error);
    return this.signal.reason;
  }
}
