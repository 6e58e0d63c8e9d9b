/** Counts how many of some calls run at the same time. */
export class Gauge {
  most = 0;
  #running = 0;

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.most = Math.max(this.most, ++this.#running);
    return work().finally(() => this.#running--);
  }

  /** A call that others have time to meet. */
  pass(): Promise<void> {
    return this.during(() => new Promise((resolve) => setImmediate(resolve)));
  }
}
