import type { StreamCounts } from '../../core/api/tasks.ts';
import type { Clock } from '../../core/ports.ts';
import type { Counts } from '../push/counts.ts';
import type { TaskRun } from './task.ts';

/** Tells the polls how far a stream is, with the time it has taken, `spentMs` before now; gives what it told. */
export function createMeter(clock: Clock, run: TaskRun, stream: string, spentMs = 0): (counts: Counts) => StreamCounts {
  const beganMs = clock.nowMs() - spentMs;
  return ({ doneBytes, totalBytes, wireBytes, storedBytes, dedupedBytes, unaskedBytes }) => {
    const counts = {
      stream,
      done_bytes: doneBytes,
      total_bytes: totalBytes,
      wire_bytes: wireBytes,
      stored_bytes: storedBytes,
      deduped_bytes: dedupedBytes,
      ...(unaskedBytes === 0 ? {} : { unasked_bytes: unaskedBytes }),
      milliseconds: Math.max(0, clock.nowMs() - beganMs),
    };
    run.progress(counts);
    return counts;
  };
}
