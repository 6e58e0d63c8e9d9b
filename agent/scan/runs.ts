import type { Geometry } from '../../core/chunk.ts';
import type { Extent } from '../../core/extent.ts';

/** Neighbouring chunks, numbered in the layer, that a layer holds: wholly zero, or to be read to know. */
export interface ChunkRun {
  readonly chunk: number;
  readonly count: number;
  readonly kind: 'zero' | 'read';
}

/**
 * The chunks that a layer's extents touch, ascending; all others are absent. A chunk that explicit zeros cover wholly
 * is zero; one that is held only in part, or holds data, must be read.
 */
export async function* touchedRuns(extents: AsyncIterable<Extent>, geometry: Geometry): AsyncGenerator<ChunkRun> {
  let open: ChunkRun | undefined;
  let next = 0;
  for await (const extent of extents) {
    if (extent.state === 'absent') continue;
    for (const run of runsOf(extent, geometry)) {
      // A chunk that the extent before reached into, too, has been given as one to read.
      const chunk = Math.max(run.chunk, next);
      const count = run.chunk + run.count - chunk;
      if (count <= 0) continue;
      next = chunk + count;
      if (open?.kind === run.kind && open.chunk + open.count === chunk) {
        open = { ...open, count: open.count + count };
      } else {
        if (open !== undefined) yield open;
        open = { chunk, count, kind: run.kind };
      }
    }
  }
  if (open !== undefined) yield open;
}

function* runsOf({ offset, length, state }: Extent, { virtualBytes, chunkBytes, chunks }: Geometry) {
  const end = offset + length;
  const first = Math.floor(offset / chunkBytes);
  const last = Math.ceil(end / chunkBytes);
  if (state !== 'zero') {
    yield { chunk: first, count: last - first, kind: 'read' as const };
    return;
  }
  const from = Math.ceil(offset / chunkBytes);
  const to = end === virtualBytes ? chunks : Math.floor(end / chunkBytes);
  const middle = Math.max(from, Math.min(to, last));
  if (first < from) yield { chunk: first, count: 1, kind: 'read' as const };
  if (from < middle) yield { chunk: from, count: middle - from, kind: 'zero' as const };
  if (middle < last) yield { chunk: middle, count: last - middle, kind: 'read' as const };
}
