/** Rounds as they come, of which the next is always asked for already: so it is known whether there is one. */
export class RoundsAhead<T> implements AsyncIterable<T> {
  readonly #rounds: AsyncIterator<T>;
  #next: Promise<IteratorResult<T>>;
  #isWaiting = true;

  constructor(rounds: AsyncIterable<T>) {
    this.#rounds = rounds[Symbol.asyncIterator]();
    this.#next = this.#ask();
  }

  /** True while the next one has not come. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      for (let next = await this.#next; !next.done; next = await this.#next) {
        this.#next = this.#ask();
        yield next.value;
      }
    } finally {
      // Nobody waits for the one that was asked for and is not wanted any more.
      this.#rounds.return?.().catch(() => undefined);
    }
  }

  #ask(): Promise<IteratorResult<T>> {
    this.#isWaiting = true;
    const next = this.#rounds.next();
    const come = () => {
      this.#isWaiting = false;
    };
    next.then(come, come);
    return next;
  }
}
