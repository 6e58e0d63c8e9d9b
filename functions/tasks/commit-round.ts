import { roundCursor } from '../../core/records.ts';
import { requireTask } from '../agents/access.ts';
import type { Call } from '../rest/call.ts';
import type { TaskDeps } from './deps.ts';
import { requirePushed } from './pushed.ts';

/** Makes segments that are durable known to the destination, by its next poll. */
export async function commitRound(deps: TaskDeps, call: Call<'commitRound'>) {
  const { attempt, stream, sequence, segments, layer_id } = call.body;
  const task = await requireTask(deps, call, call.path.task, attempt);
  requirePushed(task.input, (layer) => layer.stream === stream, stream);
  const round = task.input.kind === 'round' ? task.input.round : 'last';
  const cursor = roundCursor({ run: task.input.run, round, attempt }, sequence);
  await deps.migrations.appendRound(task.migration, { stream, cursor, segments, layerId: layer_id });
  return { ok: true as const };
}
