import { segmentLength } from '../../core/chunk.ts';
import type { Root } from '../../core/format/root.ts';
import { Segment } from '../../core/format/segment.ts';
import type { ManifestDraft } from '../manifests/draft.ts';
import { type ChunkBatch, readChunks } from '../scan/read.ts';
import { touchedRuns } from '../scan/runs.ts';
import type { EarlierVersion } from './earlier.ts';
import type { DirectJob, PushWork } from './job.ts';
import { OpenSegment } from './open-segment.ts';

/** One pass over what the layer holds: reads, fingerprints, packs and sends it, and makes its manifest. */
export async function pushDirect(job: DirectJob, work: PushWork): Promise<{ layerId: string; root: Root }> {
  const draft = await job.manifests.draft(work.geometry, job.parent);
  try {
    await sendSegments(job, work, draft);
    await work.packer.flush();
    await work.settler.drain();
    await work.assertUnchanged();
    return await draft.seal();
  } catch (error) {
    await draft.discard();
    throw error;
  }
}

async function sendSegments(job: DirectJob, work: PushWork, draft: ManifestDraft): Promise<void> {
  const { geometry, signal } = work;
  const runs = touchedRuns(job.layer.extents(0, geometry.virtualBytes), geometry);
  let reading: Reading | undefined;
  for await (const batch of readChunks({ ...job, geometry }, runs, signal)) {
    if (reading?.open.index !== batch.segment) {
      if (reading !== undefined) await end(reading.open, work, draft);
      reading = await begin(batch.segment, work);
    }
    await takeIn(reading, batch, work);
  }
  if (reading !== undefined) await end(reading.open, work, draft);
}

/** The segment that is being read, and what an earlier attempt had stored of it. */
interface Reading {
  readonly open: OpenSegment;
  readonly earlier: EarlierVersion | undefined;
}

async function begin(index: number, { geometry, settler, earlier: attempts }: PushWork): Promise<Reading> {
  const earlier = await attempts?.version(index);
  const open = new OpenSegment({
    index,
    content: new Segment(segmentLength(geometry, index)),
    isKnown: false,
    chunkBytes: geometry.chunkBytes,
    stored: earlier?.id,
  });
  settler.open.set(index, open);
  return { open, earlier };
}

/** What an earlier attempt sent, and is as it was then, keeps its place; all else is packed. */
async function takeIn({ open, earlier }: Reading, batch: ChunkBatch, { packer, counter }: PushWork): Promise<void> {
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

/** All of a segment has been read. If its packs are durable by now, nothing else will commit its end. */
async function end(open: OpenSegment, { settler }: PushWork, draft: ManifestDraft): Promise<void> {
  open.isKnown = true;
  await draft.putSegment(open.index, open.content);
  if (open.isComplete) await settler.commit([open]);
}
