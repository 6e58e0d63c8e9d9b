import type { Geometry } from '../../core/chunk.ts';
import type { PackScope } from '../../core/format/placement.ts';
import { Stop } from '../flow/stop.ts';
import { LinkWatch } from '../pack/link-watch.ts';
import { Pace } from '../pack/pace.ts';
import { PackWriter } from '../pack/pack-writer.ts';
import type { Note } from './committer.ts';
import { Counter } from './counts.ts';
import { Earlier } from './earlier.ts';
import type { PushBase, PushWork } from './job.ts';
import type { OpenSegment } from './open-segment.ts';
import { Settler } from './settler.ts';
import { WatchedSink } from './watched-sink.ts';

export interface WorkOptions {
  readonly geometry: Geometry;
  readonly scope: PackScope;
  /** The number of the first round that is committed, 0 unless set. */
  readonly sequence?: number | undefined;
  /** The work ends the layer. */
  readonly isLast?: boolean | undefined;
  readonly onComplete?: ((segment: OpenSegment) => Promise<void>) | undefined;
}

/**
 * Does a push with parts of its own. When this settles, nothing calls the sink any more but calls that were under way,
 * which are left to themselves. Errors: those of `push` and of the sink, the signal's or drain's reason.
 */
export async function withWork<T>(
  job: PushBase,
  { geometry, ...options }: WorkOptions,
  push: (work: PushWork) => Promise<T>,
): Promise<T> {
  const stop = new Stop(job.signal);
  const signal = job.drain === undefined ? stop.signal : AbortSignal.any([stop.signal, job.drain]);
  const { before } = job;
  const counter = new Counter(job.totalBytes, job.progress, before?.journal.spent);
  const sink = new WatchedSink(job.sink, stop.signal, counter);
  const settler = new Settler({
    ...options,
    geometry,
    sink,
    stop,
    counter,
    note: noteInto(job, counter),
    underway: job.underway,
    uploads: job.outbox?.uploads,
  });
  const pace = job.pace ?? new Pace(job.clock);
  const packer = new PackWriter({
    pace,
    // A guest waits for it: it takes no longer to compress for what others have on their way.
    link: options.isLast ? new LinkWatch(pace) : undefined,
    zstd: job.zstd,
    stop,
    deliver: (pack, forget) => settler.settle(pack, forget),
    // The last round is read when all of it is there: small packs would only be more of them.
    totalBytes: options.isLast ? undefined : job.totalBytes,
    memory: job.outbox?.memory,
  });
  try {
    const earlier = before === undefined ? undefined : new Earlier(before, { name: job.name, geometry, signal });
    return await push({ geometry, signal, counter, sink, settler, packer, earlier });
  } catch (error) {
    if (job.drain?.aborted) await settler.drain().catch(() => undefined);
    const reason = stop.fail(error);
    await settler.ended();
    packer.abandon();
    throw reason;
  }
}

/** Notes versions in the push's journal, with what it has cost by then, its earlier attempts included. */
function noteInto({ before, clock }: PushBase, counter: Counter): Note {
  if (before === undefined) return async () => undefined;
  const { journal } = before;
  const sinceMs = clock.nowMs() - journal.spent.milliseconds;
  return async (versions) => {
    const { wireBytes, storedBytes, dedupedBytes } = counter.counts;
    const milliseconds = Math.max(0, clock.nowMs() - sinceMs);
    await journal.note(versions, { wireBytes, storedBytes, dedupedBytes, milliseconds });
  };
}
