import { chunkLength, type Geometry, geometryOf } from '../../core/chunk.ts';
import { DIGEST_BYTES } from '../../core/fingerprint.ts';
import { DATA } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { Side } from '../compare/side.ts';
import type { Span } from '../scan/job.ts';
import type { ChunkPool } from '../scan/pool.ts';
import { spreadPlaces } from './places.ts';

/** A chunk of a disk that holds data. */
export interface SampledChunk {
  readonly chunk: number;
  readonly fingerprint: Uint8Array;
}

export interface Sample {
  readonly geometry: Geometry;
  /** In an order of which every beginning is spread over the disk. */
  readonly chunks: readonly SampledChunk[];
  readonly readBytes: number;
}

export interface Reading {
  readonly chunkBytes: number;
  readonly pool: ChunkPool;
  readonly signal: AbortSignal;
}

/**
 * Fingerprints chunks here and there of a disk: `sample_chunks_max` that hold data, unless `sample_bytes_max` were read
 * before that many were found. Errors: GEOMETRY_REFUSED, those of reading, the signal's reason.
 */
export async function takeSample(side: Side, { chunkBytes, pool, signal }: Reading): Promise<Sample> {
  const geometry = geometryOf(side.layer.virtualBytes, chunkBytes);
  const places = await spreadPlaces(side, geometry);
  const perRead = Math.min(limits.sample_chunks_max, Math.floor(pool.bufferBytes / chunkBytes));
  const mayRead = Math.floor(limits.sample_bytes_max / chunkBytes);
  const chunks: SampledChunk[] = [];
  let read = 0;
  let readBytes = 0;
  while (read < Math.min(mayRead, places.length) && chunks.length < limits.sample_chunks_max) {
    const count = Math.min(perRead, mayRead - read, limits.sample_chunks_max - chunks.length);
    const wanted = places.subarray(read, read + count);
    const spans = await spansOf(side, geometry, wanted);
    for (const found of await fingerprintsOf(spans, { chunkBytes, pool, signal })) {
      if (found.fingerprint !== undefined) chunks.push({ chunk: found.chunk, fingerprint: found.fingerprint });
    }
    read += wanted.length;
    readBytes += spans.reduce((sum, span) => sum + span.length, 0);
  }
  return { geometry, chunks, readBytes };
}

/** What to read for these chunks, each by itself. */
export function spansOf(side: Side, geometry: Geometry, chunks: Iterable<number>): Promise<Span[]> {
  return Promise.all(
    Array.from(chunks, async (chunk) => {
      const [offset, length] = [chunk * geometry.chunkBytes, chunkLength(geometry, chunk)];
      return { chunk, count: 1, offset, length, pieces: await side.pieces(offset, length) };
    }),
  );
}

/** The fingerprints of chunks; undefined for zeros. */
export async function fingerprintsOf(
  spans: readonly Span[],
  { chunkBytes, pool, signal }: Reading,
): Promise<{ chunk: number; fingerprint: Uint8Array | undefined }[]> {
  if (spans.length === 0) return [];
  const { states, fingerprints, release } = await pool.read(spans, chunkBytes, signal);
  release();
  return spans.map(({ chunk }, slot) => {
    const fingerprint = fingerprints.slice(slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES);
    return { chunk, fingerprint: states[slot] === DATA ? fingerprint : undefined };
  });
}
