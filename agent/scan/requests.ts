import { chunkLength, type Geometry } from '../../core/chunk.ts';
import { limits } from '../../core/limits.ts';
import type { DiskLayer } from '../disk/layer.ts';
import type { Piece } from '../disk/pieces.ts';
import type { Span } from './job.ts';
import type { ChunkRun } from './runs.ts';

/** What tells where the bytes of a range are. */
export type Mapped = Pick<DiskLayer, 'pieces'>;

/** Chunks of one segment: those known to be zero, and those to read, one buffer full at the most. */
export interface ReadRequest {
  readonly segment: number;
  readonly zeros: { readonly chunk: number; readonly count: number }[];
  readonly spans: Span[];
}

/**
 * What to read for these runs, ascending. Where the chain is known to hold nothing but zeros, nothing is read. No
 * request reaches over a segment, so that few segments are open at a time however sparse the layer is.
 */
export async function* readRequests(
  layer: Mapped,
  geometry: Geometry,
  runs: AsyncIterable<ChunkRun>,
  bufferBytes: number,
): AsyncGenerator<ReadRequest> {
  const capacity = Math.floor(bufferBytes / geometry.chunkBytes);
  let open: ReadRequest = { segment: 0, zeros: [], spans: [] };
  let room = capacity;
  for await (const run of runs) {
    for (let chunk = run.chunk; chunk < run.chunk + run.count; ) {
      const segment = Math.floor(chunk / limits.segment_chunks);
      if (segment !== open.segment || room === 0) {
        if (!isEmpty(open)) yield open;
        open = { segment, zeros: [], spans: [] };
        room = capacity;
      }
      const end = Math.min(run.chunk + run.count, (segment + 1) * limits.segment_chunks);
      const count = Math.min(end - chunk, run.kind === 'zero' ? limits.segment_chunks : room);
      if (run.kind === 'zero') open.zeros.push({ chunk, count });
      else room -= await addSpans(open, layer, geometry, chunk, count);
      chunk += count;
    }
  }
  if (!isEmpty(open)) yield open;
}

function isEmpty({ zeros, spans }: ReadRequest): boolean {
  return zeros.length === 0 && spans.length === 0;
}

/** Adds these chunks to the request; gives the number of those that must be read. */
async function addSpans(
  request: ReadRequest,
  layer: Mapped,
  geometry: Geometry,
  first: number,
  count: number,
): Promise<number> {
  const { chunkBytes } = geometry;
  const offset = first * chunkBytes;
  const end = (first + count - 1) * chunkBytes + chunkLength(geometry, first + count - 1);
  const pieces = await layer.pieces(offset, end - offset);
  const held = heldChunks(pieces, offset, chunkBytes, count);
  let toRead = 0;
  let piece = 0;
  for (let at = 0; at < count; ) {
    const stop = endOfRun(held, at);
    const chunk = first + at;
    if (held[at] === 0) {
      request.zeros.push({ chunk, count: stop - at });
    } else {
      const from = chunk * chunkBytes;
      const to = Math.min(end, (first + stop) * chunkBytes);
      while (pieces[piece]!.at + pieces[piece]!.length <= from) piece++;
      let last = piece;
      while (last < pieces.length && pieces[last]!.at < to) last++;
      request.spans.push({
        chunk,
        count: stop - at,
        offset: from,
        length: to - from,
        pieces: pieces.slice(piece, last),
      });
      toRead += stop - at;
    }
    at = stop;
  }
  return toRead;
}

/** One byte a chunk: 1 if any piece of it is something else than zeros. */
export function heldChunks(pieces: readonly Piece[], base: number, chunkBytes: number, count: number): Uint8Array {
  const held = new Uint8Array(count);
  for (const { kind, at, length } of pieces) {
    if (kind === 'zero') continue;
    held.fill(1, Math.floor((at - base) / chunkBytes), Math.ceil((at + length - base) / chunkBytes));
  }
  return held;
}

function endOfRun(flags: Uint8Array, from: number): number {
  let end = from;
  while (end < flags.length && flags[end] === flags[from]) end++;
  return end;
}
