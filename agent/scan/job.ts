import type { ErrorJson } from '../../core/errors.ts';
import type { Piece } from '../disk/pieces.ts';

/** Whole chunks that lie one after the other, and where their bytes are. */
export interface Span {
  /** Number of the first chunk in the layer. */
  readonly chunk: number;
  readonly count: number;
  /** Bytes from the start of the disk. */
  readonly offset: number;
  /** Bytes; less than count × chunk bytes only at the disk's end. */
  readonly length: number;
  /** They may reach beyond the span. */
  readonly pieces: readonly Piece[];
}

/** What a worker thread is asked: to fill a buffer with these spans, back to back, and tell what their chunks are. */
export interface Job {
  readonly buffer: number;
  readonly chunkBytes: number;
  readonly spans: readonly Span[];
}

/** One state code (ZERO or DATA of core/format/segment.ts) and one 32-byte slot a chunk, in the buffer's order. */
export interface Found {
  readonly states: Uint8Array;
  readonly fingerprints: Uint8Array;
}

export type Answer = Found | { readonly error: ErrorJson };

/** Where chunks lie in a buffer that was filled with these spans. */
export function* chunksIn(
  spans: readonly Span[],
  chunkBytes: number,
): Generator<{ chunk: number; at: number; length: number }> {
  let at = 0;
  for (const span of spans) {
    const end = at + span.length;
    for (let chunk = span.chunk; at < end; chunk++) {
      const length = Math.min(chunkBytes, end - at);
      yield { chunk, at, length };
      at += length;
    }
  }
}

/** Reads and fingerprints, one job after the other, into the pool's buffers. */
export interface Scanner {
  readonly isOpen: boolean;
  /** Jobs that were given and not yet answered. */
  readonly waiting: number;
  run(job: Job): Promise<Found>;
  close(): Promise<void>;
}
