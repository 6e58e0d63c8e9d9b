import { NOTHING_SPENT, type Spent } from '../journal/format.ts';

/** How far a transfer is, in bytes (core/records.ts, StreamRecord). */
export interface Counts {
  /** Raw bytes of data chunks that are durable at the receiver, and of all there will be. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly wireBytes: number;
  readonly storedBytes: number;
  readonly dedupedBytes: number;
  /** Raw bytes that the index was not asked for, as asking did not pay. */
  readonly unaskedBytes: number;
}

export type Progress = (counts: Counts) => void;

/** Adds counts up and tells each change. */
export class Counter {
  #counts: Counts;
  readonly #tell: Progress;

  /** `spent` is what earlier attempts have cost: what they sent has crossed the wire, too. */
  constructor(
    totalBytes: number,
    tell: Progress = () => undefined,
    spent: Omit<Spent, 'milliseconds'> = NOTHING_SPENT,
  ) {
    const { wireBytes, storedBytes, dedupedBytes } = spent;
    this.#counts = { doneBytes: 0, totalBytes, wireBytes, storedBytes, dedupedBytes, unaskedBytes: 0 };
    this.#tell = tell;
  }

  get counts(): Counts {
    return this.#counts;
  }

  add(more: Partial<Omit<Counts, 'totalBytes'>>): void {
    const { doneBytes, totalBytes, wireBytes, storedBytes, dedupedBytes, unaskedBytes } = this.#counts;
    const done = doneBytes + (more.doneBytes ?? 0);
    this.#counts = {
      doneBytes: done,
      // The total is an estimate where the layer was not read before.
      totalBytes: Math.max(totalBytes, done),
      wireBytes: wireBytes + (more.wireBytes ?? 0),
      storedBytes: storedBytes + (more.storedBytes ?? 0),
      dedupedBytes: dedupedBytes + (more.dedupedBytes ?? 0),
      unaskedBytes: unaskedBytes + (more.unaskedBytes ?? 0),
    };
    this.#tell(this.#counts);
  }

  /** Nothing more will come: the total is what was done. */
  finish(): Counts {
    this.#counts = { ...this.#counts, totalBytes: this.#counts.doneBytes };
    this.#tell(this.#counts);
    return this.#counts;
  }
}
