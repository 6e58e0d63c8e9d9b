import type { TaskResult } from '../../core/api/tasks.ts';
import type { Measure } from '../../core/metrics.ts';
import type { StreamRecord } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';
import { layersMoved } from '../agents/streams.ts';

/** Measures what a task that is done has moved, and how long it took. */
export function measureResult(
  measure: Measure,
  task: Task,
  result: TaskResult,
  streams: readonly StreamRecord[],
): void {
  if (result.kind === 'round') measure('RoundTime', result.stats.milliseconds);
  if (result.kind === 'cutover' && result.blackout !== undefined) measure('Blackout', result.blackout.total_ms);
  // Counts are of all tasks of a layer up to now: they are whole with the last one, which no round is.
  if (result.kind === 'seed' || result.kind === 'cutover') measureLayers(measure, task, streams);
}

function measureLayers(measure: Measure, { input }: Task, streams: readonly StreamRecord[]): void {
  const treatments = new Map(layersMoved(input).map(({ stream, treatment }) => [stream, treatment]));
  for (const { stream, totalBytes, wireBytes, dedupedBytes, milliseconds } of streams) {
    const treatment = treatments.get(stream);
    if (treatment === undefined) continue;
    measure('LogicalBytes', totalBytes, treatment);
    measure('WireBytes', wireBytes, treatment);
    if (treatment === 'dedup' && totalBytes > 0) measure('DedupShare', (100 * dedupedBytes) / totalBytes);
    // A stopped VM has the one round.
    if (input.kind === 'cutover' && input.live === undefined) measure('RoundTime', milliseconds);
  }
}
