import { chunkLength, type Geometry, segmentLength } from '../../../core/chunk.ts';
import { fromHex, NO_DIGEST, toHex } from '../../../core/fingerprint.ts';
import { ABSENT, DATA, Segment, ZERO } from '../../../core/format/segment.ts';
import { limits } from '../../../core/limits.ts';
import type { DiskLayer } from '../../disk/layer.ts';
import type { ManifestDraft } from '../../manifests/draft.ts';
import type { ManifestStore } from '../../manifests/store.ts';
import type { ChunkPool } from '../../scan/pool.ts';
import { readChunks } from '../../scan/read.ts';
import { type ChunkRun, touchedRuns } from '../../scan/runs.ts';
import type { ChunkSet } from './touched-writer.ts';

interface Reading {
  readonly geometry: Geometry;
  /** Hex; null for a bottom layer. */
  readonly parent: string | null;
  readonly pool: ChunkPool;
  readonly manifests: ManifestStore;
  readonly signal: AbortSignal;
}

/**
 * What a file that is being written holds, read from the file part by part: what was read stays known until it is
 * written again. So the proof after the last round costs what that round wrote, not what the disk holds.
 */
export class ReadBack {
  readonly #reading: Reading;
  readonly #draft: ManifestDraft;
  readonly #dataBytes = new Map<number, number>();

  private constructor(reading: Reading, draft: ManifestDraft) {
    this.#reading = reading;
    this.#draft = draft;
  }

  /** Of a file in which nothing was written yet. */
  static async begin(reading: Reading): Promise<ReadBack> {
    const parent = reading.parent === null ? NO_DIGEST : fromHex(reading.parent);
    return new ReadBack(reading, await reading.manifests.draft(reading.geometry, parent));
  }

  /** The layer id (hex) of all that was found. */
  get layerId(): string {
    return toHex(this.#draft.layerId);
  }

  /** Raw bytes of the data chunks that were found. */
  get dataBytes(): number {
    return [...this.#dataBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /**
   * Reads these chunks from `layer`, which was opened after they were written. Of the segments they are in, it is read
   * anew from the file's tables, too, which chunks it holds at all. Errors: those of reading, the signal's reason.
   */
  async advance(layer: DiskLayer, touched: ChunkSet): Promise<void> {
    const { geometry, pool, signal } = this.#reading;
    const open = new Map<number, Segment>();
    const runs = this.#runsToRead(layer, touched, open);
    for await (const batch of readChunks({ layer, geometry, pool }, runs, signal)) {
      batch.describe(open.get(batch.segment)!);
      await this.#put(open, batch.segment);
    }
    await this.#put(open, geometry.segments);
  }

  /** Removes what is kept on disk for it. */
  discard(): Promise<void> {
    return this.#draft.discard();
  }

  /** What to read, ascending; into `open` go the segments as far as their chunks are known without. */
  async *#runsToRead(layer: DiskLayer, touched: ChunkSet, open: Map<number, Segment>): AsyncGenerator<ChunkRun> {
    const { geometry } = this.#reading;
    const { virtualBytes, chunkBytes } = geometry;
    for (const index of [...touched.keys()].sort((a, b) => a - b)) {
      const before = await this.#draft.segment(index);
      const segment = new Segment(segmentLength(geometry, index));
      open.set(index, segment);
      const offset = index * limits.segment_chunks * chunkBytes;
      const length = Math.min(virtualBytes - offset, limits.segment_chunks * chunkBytes);
      for await (const run of touchedRuns(layer.extents(offset, length), geometry)) {
        yield* unknownOf(run, { first: index * limits.segment_chunks, touched: touched.get(index)!, before, segment });
      }
    }
  }

  /** Puts the segments before number `end`: nothing of them is read any more. */
  async #put(open: Map<number, Segment>, end: number): Promise<void> {
    for (const [index, segment] of open) {
      if (index >= end) return;
      await this.#draft.putSegment(index, segment);
      this.#dataBytes.set(index, dataBytesOf(this.#reading.geometry, index, segment));
      open.delete(index);
    }
  }
}

/** The part of a run that must be read; what is known of the others, by the tables or from before, is set in the segment. */
function* unknownOf(
  run: ChunkRun,
  known: { first: number; touched: Uint8Array; before: Segment; segment: Segment },
): Generator<ChunkRun> {
  const { first, touched, before, segment } = known;
  if (run.kind === 'zero') {
    segment.states.fill(ZERO, run.chunk - first, run.chunk - first + run.count);
    return;
  }
  let from = run.chunk;
  const end = run.chunk + run.count;
  for (let chunk = run.chunk; chunk < end; chunk++) {
    const at = chunk - first;
    if (touched[at] === 1 || before.states[at] === ABSENT) continue;
    if (before.states[at] === ZERO) segment.setZero(at);
    else segment.setData(at, before.fingerprint(at));
    if (from < chunk) yield { chunk: from, count: chunk - from, kind: 'read' };
    from = chunk + 1;
  }
  if (from < end) yield { chunk: from, count: end - from, kind: 'read' };
}

function dataBytesOf(geometry: Geometry, index: number, { states }: Segment): number {
  const first = index * limits.segment_chunks;
  return states.reduce((sum, state, chunk) => sum + (state === DATA ? chunkLength(geometry, first + chunk) : 0), 0);
}
