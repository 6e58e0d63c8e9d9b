import { segmentLength } from '../../core/chunk.ts';
import type { Root } from '../../core/format/root.ts';
import { Segment } from '../../core/format/segment.ts';
import type { ManifestDraft } from '../manifests/draft.ts';
import { touchedRuns } from '../scan/runs.ts';
import type { DirectJob, LayerWork } from './job.ts';
import { OpenSegment } from './open-segment.ts';
import { type SegmentBook, sendSegments } from './segments.ts';

/** One pass over what the layer holds: reads, fingerprints, packs and sends it, and makes its manifest. */
export async function pushDirect(job: DirectJob, work: LayerWork): Promise<{ layerId: string; root: Root }> {
  const { geometry } = work;
  const draft = await job.manifests.draft(geometry, job.parent);
  try {
    const runs = touchedRuns(job.layer.extents(0, geometry.virtualBytes), geometry);
    await sendSegments({ ...job, geometry }, runs, bookOf(draft, work), work);
    await work.packer.flush();
    work.packed();
    await work.settler.drain();
    await work.assertUnchanged();
    return await draft.seal();
  } catch (error) {
    await draft.discard();
    throw error;
  }
}

function bookOf(draft: ManifestDraft, { geometry, earlier: attempts }: LayerWork): SegmentBook {
  const { chunkBytes } = geometry;
  return {
    async begin(index) {
      const earlier = await attempts?.version(index);
      const content = new Segment(segmentLength(geometry, index));
      const open = new OpenSegment({ index, content, isKnown: false, chunkBytes, stored: earlier?.id });
      return { open, earlier };
    },
    async end({ index, content }) {
      await draft.putSegment(index, content);
    },
  };
}
