import { limits } from '../../core/limits.ts';
import type { ChunkRun } from '../scan/runs.ts';
import type { KnownSegment, RoundBook } from './round-book.ts';

/** A round's segments as the rounds before have made them, looked up while their chunks are still being read. */
export class SegmentsAhead implements Pick<RoundBook, 'load'> {
  readonly #book: Pick<RoundBook, 'load'>;
  readonly #loading = new Map<number, Promise<KnownSegment | undefined>>();

  constructor(book: Pick<RoundBook, 'load'>) {
    this.#book = book;
  }

  /** The same runs, ascending. As many segments are looked up as the reader of the runs is ahead of whoever loads them. */
  async *of(runs: AsyncIterable<ChunkRun>): AsyncGenerator<ChunkRun> {
    let last = -1;
    for await (const run of runs) {
      const index = Math.floor(run.chunk / limits.segment_chunks);
      if (index > last) this.#begin(index);
      last = Math.floor((run.chunk + run.count - 1) / limits.segment_chunks);
      yield run;
    }
  }

  /** Once a segment. */
  async load(index: number): Promise<KnownSegment | undefined> {
    const loading = this.#loading.get(index);
    this.#loading.delete(index);
    return loading ?? this.#book.load(index);
  }

  #begin(index: number): void {
    const loading = this.#book.load(index);
    // Whoever loads it hears of a failure.
    loading.catch(() => undefined);
    this.#loading.set(index, loading);
  }
}
