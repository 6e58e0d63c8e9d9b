interface Waiting {
  readonly amount: number;
  readonly resolve: () => void;
  readonly signal: AbortSignal;
  readonly stop: () => void;
}

/** A bounded amount of something, lent in parts of any size, first come, first served. */
export class Room {
  #free: number;
  readonly #queue: Waiting[] = [];

  constructor(amount: number) {
    this.#free = amount;
  }

  /** Waits for so much of it, no more than there is in all; rejects with the signal's reason as soon as it aborts. */
  take(amount: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#queue.length === 0 && amount <= this.#free) {
      this.#free -= amount;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal.reason);
        this.#lend();
      };
      const waiting: Waiting = { amount, resolve, signal, stop };
      signal.addEventListener('abort', stop, { once: true });
      this.#queue.push(waiting);
    });
  }

  give(amount: number): void {
    this.#free += amount;
    this.#lend();
  }

  #lend(): void {
    for (let next = this.#queue[0]; next !== undefined && next.amount <= this.#free; next = this.#queue[0]) {
      this.#queue.shift();
      this.#free -= next.amount;
      next.signal.removeEventListener('abort', next.stop);
      next.resolve();
    }
  }
}
