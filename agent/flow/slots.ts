interface Waiting<T> {
  readonly resolve: (item: T) => void;
  readonly signal: AbortSignal;
  readonly stop: () => void;
}

/** A fixed stock of things, lent first come, first served: what bounds memory and work, and makes the faster wait. */
export class Slots<T = number> {
  readonly #free: T[];
  readonly #queue: Waiting<T>[] = [];

  constructor(items: Iterable<T>) {
    this.#free = [...items];
  }

  static count(count: number): Slots {
    return new Slots(Array(count).keys());
  }

  /** Waits for an item; rejects with the signal's reason as soon as it aborts. Whoever takes it gives it back. */
  take(signal: AbortSignal): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const item = this.#free.pop();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal.reason);
      };
      const waiting: Waiting<T> = { resolve, signal, stop };
      signal.addEventListener('abort', stop, { once: true });
      this.#queue.push(waiting);
    });
  }

  /** Takes what nobody has at the moment. */
  takeIdle(): T[] {
    return this.#free.splice(0);
  }

  give(item: T): void {
    const next = this.#queue.shift();
    if (next === undefined) {
      this.#free.push(item);
    } else {
      next.signal.removeEventListener('abort', next.stop);
      next.resolve(item);
    }
  }
}
