import { availableParallelism } from 'node:os';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { Slots } from '../flow/slots.ts';
import type { Found, Scanner, Span } from './job.ts';
import { ScanThread } from './thread.ts';

/** Chunks in a shared buffer. Whoever got it calls `release` once, when the bytes have been used. */
export interface ReadChunks extends Found {
  /** The spans' bytes, back to back. */
  readonly bytes: Uint8Array;
  release(): void;
}

/** Puts the spans' filled pieces where they belong in `bytes`, back to back. Nothing writes there once it has settled. */
export type Fill = (spans: readonly Span[], bytes: Uint8Array) => Promise<void>;

export interface PoolOptions {
  readonly workers?: number;
  readonly buffers?: number;
  readonly bufferBytes?: number;
  /** A thread each unless set. */
  readonly scanner?: (buffers: readonly SharedArrayBuffer[]) => Scanner;
}

/**
 * Worker threads that read chunks and take their fingerprints, over a fixed number of shared buffers: when none is
 * free, readers wait. One pool serves all tasks of an agent.
 */
export class ChunkPool {
  readonly bufferBytes: number;
  /** How many buffers one reader should have in work: enough for all threads, and one left for somebody else. */
  readonly ahead: number;
  readonly #buffers: readonly SharedArrayBuffer[];
  readonly #free: Slots;
  readonly #threads: Scanner[];

  constructor(options: PoolOptions = {}) {
    const workers = options.workers ?? Math.min(availableParallelism(), limits.scan_workers_max);
    const buffers = options.buffers ?? limits.scan_buffers;
    this.bufferBytes = options.bufferBytes ?? limits.scan_buffer_bytes;
    this.ahead = Math.max(1, Math.min(workers + 1, buffers - 1));
    this.#buffers = Array.from({ length: buffers }, () => new SharedArrayBuffer(this.bufferBytes));
    this.#free = Slots.count(buffers);
    const scanner = options.scanner ?? ((shared) => new ScanThread(shared));
    this.#threads = Array.from({ length: workers }, () => scanner(this.#buffers));
  }

  /**
   * Reads these spans, `bufferBytes` at the most, and fingerprints their chunks of `chunkBytes`. A read that has begun
   * runs to its end even if the signal aborts: the buffer and the files are in use until then.
   * Errors: DISK_IO_FAILED, CLUSTER_CORRUPT, SCAN_THREAD_DIED, those of `fill`, the signal's reason.
   */
  async read(spans: readonly Span[], chunkBytes: number, signal: AbortSignal, fill?: Fill): Promise<ReadChunks> {
    const buffer = await this.#free.take(signal);
    const release = () => this.#free.give(buffer);
    try {
      await fill?.(spans, new Uint8Array(this.#buffers[buffer]!));
      const found = await this.#idlest().run({ buffer, chunkBytes, spans });
      signal.throwIfAborted();
      return { ...found, bytes: new Uint8Array(this.#buffers[buffer]!), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Ends the threads; reads that are running fail. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  #idlest(): Scanner {
    const least = this.#threads.reduce((a, b) => (b.waiting < a.waiting ? b : a));
    if (least.isOpen) return least;
    throw new LayerMoverError('SCAN_POOL_CLOSED', 'the pool of scan threads was closed');
  }
}
