import type { Measure } from '../../core/metrics.ts';
import type { StreamRecord } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';
import { layersMoved } from '../agents/streams.ts';

/** Measures what a source has sent in a task that is done, layer by layer. */
export function measureStreams(measure: Measure, { input }: Task, streams: readonly StreamRecord[]): void {
  const treatments = new Map(layersMoved(input).map(({ stream, treatment }) => [stream, treatment]));
  for (const { side, stream, totalBytes, wireBytes, dedupedBytes, milliseconds } of streams) {
    const treatment = treatments.get(stream);
    if (side !== 'source' || treatment === undefined) continue;
    measure('LogicalBytes', totalBytes, treatment);
    measure('WireBytes', wireBytes, treatment);
    if (treatment === 'dedup' && totalBytes > 0) measure('DedupShare', (100 * dedupedBytes) / totalBytes);
    if (input.kind === 'cutover') measure('RoundTime', milliseconds);
  }
}
