import { geometryOf } from '../../core/chunk.ts';
import { encodeRoot, type Root } from '../../core/format/root.ts';
import { limits } from '../../core/limits.ts';
import { Stop } from '../flow/stop.ts';
import { PackWriter } from '../pack/pack-writer.ts';
import { Unchanged } from '../scan/unchanged.ts';
import type { Note } from './committer.ts';
import { Counter, type Counts } from './counts.ts';
import { pushKnown } from './dedup.ts';
import { pushDirect } from './direct.ts';
import { Earlier } from './earlier.ts';
import type { DedupJob, DirectJob } from './job.ts';
import { Settler } from './settler.ts';
import { WatchedSink } from './watched-sink.ts';

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
  const stop = new Stop(job.signal);
  const reading = job.drain === undefined ? stop.signal : AbortSignal.any([stop.signal, job.drain]);
  const { before } = job;
  const counter = new Counter(job.totalBytes, job.progress, before?.journal.spent);
  const sink = new WatchedSink(job.sink, stop.signal, counter);
  const scope = job.treatment === 'dedup' ? 'namespace' : 'migration';
  const settler = new Settler({ geometry, scope, sink, stop, counter, note: noteInto(job, counter) });
  const packer = new PackWriter({
    level: job.level ?? limits.pack_level_default,
    zstd: job.zstd,
    stop,
    deliver: (pack, forget) => settler.settle(pack, forget),
  });
  try {
    const unchanged = await Unchanged.since(job.layer);
    const assertUnchanged = () => unchanged.check();
    const of = { name: job.name, geometry, signal: reading };
    const earlier = before === undefined ? undefined : new Earlier(before, of);
    const work = { geometry, signal: reading, counter, sink, settler, packer, earlier, assertUnchanged };
    const pushed = job.treatment === 'dedup' ? await pushKnown(job, work) : await pushDirect(job, work);
    packer.free();
    await settler.finish(pushed.layerId, encodeRoot(pushed.root));
    return { ...pushed, counts: counter.finish() };
  } catch (error) {
    if (job.drain?.aborted) await settler.drain().catch(() => undefined);
    const reason = stop.fail(error);
    await settler.ended();
    throw reason;
  }
}

/** Notes versions in the push's journal, with what it has cost by then, its earlier attempts included. */
function noteInto({ before, clock }: DedupJob | DirectJob, counter: Counter): Note {
  if (before === undefined) return async () => undefined;
  const { journal } = before;
  const sinceMs = clock.nowMs() - journal.spent.milliseconds;
  return async (versions) => {
    const { wireBytes, storedBytes, dedupedBytes } = counter.counts;
    const milliseconds = Math.max(0, clock.nowMs() - sinceMs);
    await journal.note(versions, { wireBytes, storedBytes, dedupedBytes, milliseconds });
  };
}
