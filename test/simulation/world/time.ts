import type { Clock } from '../../../core/ports.ts';

interface Appointment {
  readonly atMs: number;
  readonly order: number;
  readonly what: string;
  action: (() => void) | undefined;
}

const START_MS = Date.UTC(2030, 0, 1);

/** Time that jumps from one appointment to the next. Between two of them everything that can go on has gone on. */
export class SimulatedTime {
  #nowMs = START_MS;
  #order = 0;
  /** A binary heap. */
  readonly #appointments: Appointment[] = [];

  nowMs(): number {
    return Math.floor(this.#nowMs);
  }

  get sinceStartMs(): number {
    return this.#nowMs - START_MS;
  }

  /** Gives how to cancel it. */
  schedule(delayMs: number, action: () => void, what = 'timer'): () => void {
    const appointment: Appointment = { atMs: this.#nowMs + Math.max(0, delayMs), order: ++this.#order, what, action };
    this.#push(appointment);
    return () => {
      appointment.action = undefined;
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        cancel();
        reject(signal?.reason);
      };
      const wake = () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      const cancel = this.schedule(ms, wake, 'sleep');
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  /** This time as a host's clock that is wrong by `skewMs()`. */
  clock(skewMs: () => number): Clock {
    return { nowMs: () => this.nowMs() + skewMs(), sleep: (ms, signal) => this.sleep(ms, signal) };
  }

  /** Keeps the next appointment. Answers what it was, undefined if there is none. */
  async step(): Promise<string | undefined> {
    await settled();
    for (let next = this.#pop(); next !== undefined; next = this.#pop()) {
      if (next.action === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.action();
      await settled();
      return next.what;
    }
    return undefined;
  }

  #push(appointment: Appointment): void {
    const heap = this.#appointments;
    let at = heap.push(appointment) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[above]!)) break;
      [heap[at], heap[above]] = [heap[above]!, heap[at]!];
      at = above;
    }
  }

  #pop(): Appointment | undefined {
    const heap = this.#appointments;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= heap.length) return first;
      const right = left + 1;
      const least = right < heap.length && isBefore(heap[right]!, heap[left]!) ? right : left;
      if (!isBefore(heap[least]!, heap[at]!)) return first;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

function isBefore(a: Appointment, b: Appointment): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Nothing in a simulation waits for the machine, so what is left after one turn of its loop waits for time to pass. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
