import { type ChunkBatch, type ReadSource, readChunks } from '../scan/read.ts';
import type { ChunkRun } from '../scan/runs.ts';
import type { EarlierVersion } from './earlier.ts';
import type { PushWork } from './job.ts';
import type { OpenSegment } from './open-segment.ts';

/** A segment that is being read, and what was stored of it before. */
export interface Reading {
  readonly open: OpenSegment;
  readonly earlier: EarlierVersion | undefined;
}

/** Where the segments that are read come from, and go to. */
export interface SegmentBook {
  begin(index: number): Promise<Reading>;
  /** All that is read of it has been read. */
  end(open: OpenSegment): Promise<void>;
}

/** Reads, fingerprints and packs these runs, and has every segment committed that has nothing to wait for. */
export async function sendSegments(
  source: ReadSource,
  runs: AsyncIterable<ChunkRun>,
  book: SegmentBook,
  work: PushWork,
): Promise<void> {
  let reading: Reading | undefined;
  const end = async ({ open }: Reading) => {
    open.isKnown = true;
    await book.end(open);
    // If its packs are durable by now, nothing else will commit its end.
    if (open.isComplete) await work.settler.commit([open]);
  };
  for await (const batch of readChunks(source, runs, work.signal)) {
    if (reading?.open.index !== batch.segment) {
      if (reading !== undefined) await end(reading);
      reading = await book.begin(batch.segment);
      work.settler.open.set(batch.segment, reading.open);
    }
    await takeIn(reading, batch, work);
  }
  if (reading !== undefined) await end(reading);
}

/** What was sent before, and is as it was then, keeps its place; all else is packed. */
async function takeIn({ open, earlier }: Reading, batch: ChunkBatch, { packer, counter }: PushWork): Promise<void> {
  for (const { chunk, count } of batch.runs()) open.unplace(chunk, count);
  batch.describe(open.content);
  for (const { chunk, fingerprint, bytes } of batch.dataChunks()) {
    const place = earlier?.placeOf(chunk, fingerprint);
    if (place !== undefined) {
      open.place(chunk, place.frame, place.rawOffset);
      counter.add({ doneBytes: bytes.length });
      continue;
    }
    const outcome = await packer.add({ segment: open.index, chunk }, fingerprint, bytes);
    if (outcome === 'repeated') counter.add({ dedupedBytes: bytes.length });
  }
}
