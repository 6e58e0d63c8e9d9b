import type { TaskResult } from '../../core/api/tasks.ts';
import type { Measure } from '../../core/metrics.ts';
import type { StreamRecord } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';
import { layersMoved } from '../agents/streams.ts';

/**
 * Measures what a source has sent in a task that is done, layer by layer. Counts of a running VM's layer are of all its
 * tasks up to then, so that its cutover alone tells them.
 */
export function measureResult(
  measure: Measure,
  task: Task,
  result: TaskResult,
  streams: readonly StreamRecord[],
): void {
  if (result.kind === 'round') return measure('RoundTime', result.stats.milliseconds);
  if (result.kind === 'cutover' && result.blackout !== undefined) measure('Blackout', result.blackout.total_ms);
  const treatments = new Map(layersMoved(task.input).map(({ stream, treatment }) => [stream, treatment]));
  for (const { side, stream, totalBytes, wireBytes, dedupedBytes, milliseconds } of streams) {
    const treatment = treatments.get(stream);
    if (side !== 'source' || treatment === undefined) continue;
    measure('LogicalBytes', totalBytes, treatment);
    measure('WireBytes', wireBytes, treatment);
    if (treatment === 'dedup' && totalBytes > 0) measure('DedupShare', (100 * dedupedBytes) / totalBytes);
    if (task.input.kind === 'cutover' && task.input.live === undefined) measure('RoundTime', milliseconds);
  }
}
