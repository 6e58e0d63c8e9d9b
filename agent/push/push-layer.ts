import { geometryOf } from '../../core/chunk.ts';
import { encodeRoot, type Root } from '../../core/format/root.ts';
import { Unchanged } from '../scan/unchanged.ts';
import type { Counts } from './counts.ts';
import { pushKnown } from './dedup.ts';
import { pushDirect } from './direct.ts';
import type { DedupJob, DirectJob } from './job.ts';
import { withWork } from './work.ts';

export interface PushedLayer {
  /** Hex. */
  readonly layerId: string;
  readonly root: Root;
  readonly counts: Counts;
}

/**
 * Sends one layer, and commits what has become durable whenever a pack has: pack, index rows, placements, segments,
 * round, and at the end root and last round. Memory is bounded whatever the layer's size. When this settles, nothing
 * reads from the layer or calls the sink any more; a call of the sink that was under way is left to itself.
 * Errors: LAYER_CHANGED if the layer is not what its manifest says or changed meanwhile (its root is not stored then),
 * MANIFEST_UNKNOWN, MANIFEST_CORRUPT, ANSWER_REFUSED, those of reading and of the sink, the signal's or drain's reason.
 */
export async function pushLayer(job: DedupJob | DirectJob): Promise<PushedLayer> {
  const geometry = geometryOf(job.layer.virtualBytes, job.chunkBytes);
  const scope = job.treatment === 'dedup' ? 'namespace' : 'migration';
  return withWork(job, { geometry, scope }, async (parts) => {
    const unchanged = await Unchanged.since(job.layer);
    const packed = () => {
      parts.packer.free();
      job.packed?.();
    };
    const work = { ...parts, packed, assertUnchanged: () => unchanged.check() };
    const pushed = job.treatment === 'dedup' ? await pushKnown(job, work) : await pushDirect(job, work);
    await work.settler.finish(() => ({ layerId: pushed.layerId, bytes: encodeRoot(pushed.root) }));
    return { ...pushed, counts: work.counter.finish() };
  });
}
