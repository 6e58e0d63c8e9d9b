import type { LayerTransfer, StreamCounts, TaskInput } from '../../core/api/tasks.ts';
import { topsOf } from '../../core/disks.ts';
import type { StreamRecord } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';

const SIDES = {
  register: 'source',
  survey: 'source',
  seed: 'source',
  round: 'source',
  cutover: 'source',
  fetch: 'destination',
  follow: 'destination',
} as const;

/** The layers that a task itself moves: of a VM’s disks the top ones, for the others moved before them. */
export function layersMoved(input: TaskInput): readonly LayerTransfer[] {
  if (input.kind === 'survey' || input.kind === 'register') return [];
  return 'chain' in input ? topsOf(input.chain.layers) : input.layers;
}

/** The streams that a task counts: of layers that it moves, or of files that it reads. */
function streamsOf(input: TaskInput): readonly string[] {
  if (input.kind === 'register') return input.files.map((_, at) => `file:${at}`);
  return layersMoved(input).map((layer) => layer.stream);
}

/**
 * What an agent counted, as records of its side; counts of what is not the task’s are left out. `known` are
 * the migration's records until now: what has not changed since keeps its time.
 */
export function streamRecords(
  { input }: Task,
  counts: readonly StreamCounts[],
  { known, nowMs }: { known: readonly StreamRecord[]; nowMs: number },
): StreamRecord[] {
  const counted = new Set(streamsOf(input));
  return counts
    .filter((each) => counted.has(each.stream))
    .map((each) => ({
      stream: each.stream,
      side: SIDES[input.kind],
      doneBytes: each.done_bytes,
      totalBytes: each.total_bytes,
      wireBytes: each.wire_bytes,
      storedBytes: each.stored_bytes,
      dedupedBytes: each.deduped_bytes,
      ...(each.unasked_bytes === undefined ? {} : { unaskedBytes: each.unasked_bytes }),
      milliseconds: each.milliseconds,
    }))
    .map((record) => {
      const before = known.find(({ stream, side }) => stream === record.stream && side === record.side);
      const stands = before?.doneBytes === record.doneBytes && before.wireBytes === record.wireBytes;
      return { ...record, movedMs: stands ? (before.movedMs ?? nowMs) : nowMs };
    });
}
