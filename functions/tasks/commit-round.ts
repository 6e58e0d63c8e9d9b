import { roundCursor } from '../../core/records.ts';
import { requireTask } from '../agents/access.ts';
import { storeOf } from '../agents/store-of.ts';
import { takeIntoUse } from '../packs/in-use.ts';
import type { Call } from '../rest/call.ts';
import type { TaskDeps } from './deps.ts';
import { requirePushed } from './pushed.ts';

/**
 * Makes segments that are durable known to the destination, by its next poll. Throws OBJECT_LEAVING for what garbage
 * collection is removing: an agent that found it there has to store it anew.
 */
export async function commitRound(deps: TaskDeps, call: Call<'commitRound'>) {
  const { attempt, stream, sequence, segments, layer_id } = call.body;
  const task = await requireTask(deps, call, call.path.task, attempt);
  const pushed = requirePushed(task.input, (layer) => layer.stream === stream, stream);
  if (pushed.treatment === 'dedup') {
    const ids = segments.map(({ id }) => id);
    await takeIntoUse(deps, storeOf(task), 'segments', ids);
    if (layer_id !== undefined) await takeIntoUse(deps, storeOf(task), 'layers', [layer_id]);
  }
  const round = task.input.kind === 'round' ? task.input.round : 'last';
  const cursor = roundCursor({ run: task.input.run, round, attempt }, sequence);
  await deps.migrations.appendRound(task.migration, { stream, cursor, segments, layerId: layer_id });
  return { ok: true as const };
}
