import type { Geometry } from '../../core/chunk.ts';
import { limits } from '../../core/limits.ts';
import type { Side } from '../compare/side.ts';
import { heldChunks } from '../scan/requests.ts';

/**
 * Numbers of chunks that the maps of a disk say hold something, in an order of which every beginning is spread over the
 * disk: those of `sample_segments_max` segments at the most, which are spread over what the disk holds.
 * Errors: QCOW2_INVALID, DISK_IO_FAILED.
 */
export async function spreadPlaces(side: Side, geometry: Geometry): Promise<Uint32Array> {
  const counts = new Map<number, number>();
  for await (const { first, held } of heldIn(side, geometry, 0, geometry.chunks)) {
    const segment = Math.floor(first / limits.segment_chunks);
    const count = held.reduce((sum, flag) => sum + flag, 0);
    if (count > 0) counts.set(segment, (counts.get(segment) ?? 0) + count);
  }
  const places: number[] = [];
  for (const segment of spreadSegments(counts)) {
    const from = segment * limits.segment_chunks;
    const to = Math.min(geometry.chunks, from + limits.segment_chunks);
    for await (const { first, held } of heldIn(side, geometry, from, to))
      for (const [at, flag] of held.entries()) if (flag === 1) places.push(first + at);
  }
  const step = strideOf(places.length);
  return Uint32Array.from(places, (_, i) => places[(i * step) % places.length]!);
}

/** Of chunks from `from` up to `to`, in windows that lie within a segment, whether they hold something: 1 or 0. */
async function* heldIn(side: Side, { virtualBytes, chunkBytes }: Geometry, from: number, to: number) {
  const perWindow = Math.min(limits.segment_chunks, limits.compare_window_bytes / chunkBytes);
  for (let first = from; first < to; first += perWindow) {
    const offset = first * chunkBytes;
    const length = Math.min(Math.min(to, first + perWindow) * chunkBytes, virtualBytes) - offset;
    const pieces = await side.pieces(offset, length);
    yield { first, held: heldChunks(pieces, offset, chunkBytes, Math.ceil(length / chunkBytes)) };
  }
}

/** Segments by equal shares of what all of them hold, ascending. */
function spreadSegments(counts: ReadonlyMap<number, number>): Set<number> {
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const chosen = new Set<number>();
  let sum = 0;
  let next = 0.5;
  for (const [segment, count] of counts) {
    sum += count;
    for (; next < limits.sample_segments_max && (next * all) / limits.sample_segments_max < sum; next++)
      chosen.add(segment);
  }
  return counts.size <= limits.sample_segments_max ? new Set(counts.keys()) : chosen;
}

/** About the golden section of `count`, and prime to it: its multiples pass through all places, and lie apart from the first on. */
function strideOf(count: number): number {
  let step = Math.max(1, Math.round(count * 0.618));
  while (commonDivisor(step, count) > 1) step++;
  return step;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
