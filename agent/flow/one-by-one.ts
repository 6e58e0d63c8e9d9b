/** Does pieces of work one after the other, in the order in which they come. One that fails keeps none from its turn. */
export class OneByOne {
  #last: Promise<unknown> = Promise.resolve();

  /** Errors: those of `work`. */
  do<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
