import type { Geometry } from '../../core/chunk.ts';
import { DIGEST_BYTES } from '../../core/fingerprint.ts';
import { DATA } from '../../core/format/segment.ts';
import type { DiskLayer } from '../disk/layer.ts';
import { inOrder } from './in-order.ts';
import { chunksIn } from './job.ts';
import type { ChunkPool, ReadChunks } from './pool.ts';
import { type ReadRequest, readRequests } from './requests.ts';
import type { ChunkRun } from './runs.ts';

/** A chunk that was read. `bytes` are shared and valid only until the batch is given back; a zero chunk has no fingerprint. */
export interface ReadChunk {
  /** Number in the layer. */
  readonly chunk: number;
  readonly isData: boolean;
  readonly fingerprint: Uint8Array;
  readonly bytes: Uint8Array;
}

/** What one request found, within one segment. */
export class ChunkBatch {
  readonly segment: number;
  /** Chunks that are zero and were not read. */
  readonly zeros: ReadRequest['zeros'];
  readonly #request: ReadRequest;
  readonly #chunkBytes: number;
  readonly #read: ReadChunks | undefined;

  constructor(request: ReadRequest, chunkBytes: number, read: ReadChunks | undefined) {
    this.segment = request.segment;
    this.zeros = request.zeros;
    this.#request = request;
    this.#chunkBytes = chunkBytes;
    this.#read = read;
  }

  *chunks(): Generator<ReadChunk> {
    if (this.#read === undefined) return;
    const { states, fingerprints, bytes } = this.#read;
    let slot = 0;
    for (const { chunk, at, length } of chunksIn(this.#request.spans, this.#chunkBytes)) {
      yield {
        chunk,
        isData: states[slot] === DATA,
        fingerprint: fingerprints.subarray(slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES),
        bytes: bytes.subarray(at, at + length),
      };
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

/**
 * Reads and fingerprints the chunks of these runs, in order, several buffers ahead of the caller. A batch is given
 * back when the caller asks for the next one. When this has ended, however it did, no thread reads from the layer.
 */
export async function* readChunks(
  source: { layer: DiskLayer; geometry: Geometry; pool: ChunkPool },
  runs: AsyncIterable<ChunkRun>,
  signal: AbortSignal,
): AsyncGenerator<ChunkBatch> {
  const { layer, geometry, pool } = source;
  const read = async (request: ReadRequest) => {
    signal.throwIfAborted();
    const chunks = request.spans.length === 0 ? undefined : await pool.read(request.spans, geometry.chunkBytes, signal);
    return new ChunkBatch(request, geometry.chunkBytes, chunks);
  };
  const requests = readRequests(layer, geometry, runs, pool.bufferBytes);
  for await (const batch of inOrder(requests, pool.ahead, read, (unused) => unused.release())) {
    try {
      yield batch;
    } finally {
      batch.release();
    }
  }
}
