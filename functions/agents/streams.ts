import type { LayerTransfer, StreamCounts, TaskInput } from '../../core/api/tasks.ts';
import type { StreamRecord } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';

const SIDES = {
  survey: 'source',
  seed: 'source',
  round: 'source',
  cutover: 'source',
  fetch: 'destination',
  follow: 'destination',
} as const;

/** The layers that a task itself moves: of a VM's chain the top one, for the others moved before it. */
export function layersMoved(input: TaskInput): readonly LayerTransfer[] {
  if (input.kind === 'survey') return [];
  return 'chain' in input ? input.chain.layers.slice(-1) : input.layers;
}

/**
 * What an agent counted, as records of its side; counts of layers that the task does not move are left out. `known` are
 * the migration's records until now: what has not changed since keeps its time.
 */
export function streamRecords(
  { input }: Task,
  counts: readonly StreamCounts[],
  { known, nowMs }: { known: readonly StreamRecord[]; nowMs: number },
): StreamRecord[] {
  const moved = new Set(layersMoved(input).map((layer) => layer.stream));
  return counts
    .filter((each) => moved.has(each.stream))
    .map((each) => ({
      stream: each.stream,
      side: SIDES[input.kind],
      doneBytes: each.done_bytes,
      totalBytes: each.total_bytes,
      wireBytes: each.wire_bytes,
      storedBytes: each.stored_bytes,
      dedupedBytes: each.deduped_bytes,
      milliseconds: each.milliseconds,
    }))
    .map((record) => {
      const before = known.find(({ stream, side }) => stream === record.stream && side === record.side);
      const stands = before?.doneBytes === record.doneBytes && before.wireBytes === record.wireBytes;
      return { ...record, movedMs: stands ? (before.movedMs ?? nowMs) : nowMs };
    });
}
