import type { Geometry } from '../../core/chunk.ts';
import { DIGEST_BYTES } from '../../core/fingerprint.ts';
import { DATA, type Segment, ZERO } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { inOrder } from '../flow/in-order.ts';
import { chunksIn } from './job.ts';
import type { ChunkPool, Fill, ReadChunks } from './pool.ts';
import { type Mapped, type ReadRequest, readRequests } from './requests.ts';
import type { ChunkRun } from './runs.ts';

/** A data chunk that was read. Its bytes are shared and valid only until the batch is given back. */
export interface DataChunk {
  /** Number in its segment. */
  readonly chunk: number;
  readonly fingerprint: Uint8Array;
  readonly bytes: Uint8Array;
}

/** What one request found, within one segment. */
export class ChunkBatch {
  readonly segment: number;
  readonly #request: ReadRequest;
  readonly #chunkBytes: number;
  readonly #read: ReadChunks | undefined;

  constructor(request: ReadRequest, chunkBytes: number, read: ReadChunks | undefined) {
    this.segment = request.segment;
    this.#request = request;
    this.#chunkBytes = chunkBytes;
    this.#read = read;
  }

  /** Sets the states and fingerprints of this batch's chunks in their segment. */
  describe(segment: Segment): void {
    const first = this.segment * limits.segment_chunks;
    for (const { chunk, count } of this.#request.zeros) segment.states.fill(ZERO, chunk - first, chunk - first + count);
    if (this.#read === undefined) return;
    const { states, fingerprints } = this.#read;
    let slot = 0;
    for (const { chunk, count } of this.#request.spans) {
      const end = slot + count;
      segment.states.set(states.subarray(slot, end), chunk - first);
      segment.fingerprints.set(
        fingerprints.subarray(slot * DIGEST_BYTES, end * DIGEST_BYTES),
        (chunk - first) * DIGEST_BYTES,
      );
      slot = end;
    }
  }

  /** Neighbouring chunks, by their numbers in the segment, of which this batch tells what they are. */
  *runs(): Generator<{ chunk: number; count: number }> {
    const first = this.segment * limits.segment_chunks;
    for (const { chunk, count } of [...this.#request.zeros, ...this.#request.spans])
      yield { chunk: chunk - first, count };
  }

  *dataChunks(): Generator<DataChunk> {
    if (this.#read === undefined) return;
    const first = this.segment * limits.segment_chunks;
    const { states, fingerprints, bytes } = this.#read;
    let slot = 0;
    for (const { chunk, at, length } of chunksIn(this.#request.spans, this.#chunkBytes)) {
      if (states[slot] === DATA) {
        const fingerprint = fingerprints.subarray(slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES);
        yield { chunk: chunk - first, fingerprint, bytes: bytes.subarray(at, at + length) };
      }
      slot++;
    }
  }

  /** Raw bytes that were read. */
  get readBytes(): number {
    return this.#request.spans.reduce((sum, span) => sum + span.length, 0);
  }

  release(): void {
    this.#read?.release();
  }
}

/** What is read, and by whom. */
export interface ReadSource {
  readonly layer: Mapped;
  readonly geometry: Geometry;
  readonly pool: ChunkPool;
  /** For layers that are filled pieces. */
  readonly fill?: Fill | undefined;
}

/**
 * Reads and fingerprints the chunks of these runs, in order, several buffers ahead of the caller. A batch is given
 * back when the caller asks for the next one. When this has ended, however it did, no thread reads from the layer.
 */
export async function* readChunks(
  source: ReadSource,
  runs: AsyncIterable<ChunkRun>,
  signal: AbortSignal,
): AsyncGenerator<ChunkBatch> {
  const { layer, geometry, pool, fill } = source;
  const read = async (request: ReadRequest) => {
    signal.throwIfAborted();
    const chunks =
      request.spans.length === 0 ? undefined : await pool.read(request.spans, geometry.chunkBytes, signal, fill);
    return new ChunkBatch(request, geometry.chunkBytes, chunks);
  };
  const requests = readRequests(layer, geometry, runs, pool.bufferBytes);
  for await (const batch of inOrder(requests, pool.ahead, read, (unused) => unused.release())) {
    try {
      signal.throwIfAborted();
      yield batch;
    } finally {
      batch.release();
    }
  }
}
