import { requireTask } from '../agents/access.ts';
import type { Call } from '../rest/call.ts';
import type { TaskDeps } from './deps.ts';
import { followed } from './followed.ts';

/** Stores the destination's word that it can take a running VM; the source hears of it by its poll. */
export async function announceIncoming(deps: TaskDeps, call: Call<'announceIncoming'>) {
  const { attempt, ...incoming } = call.body;
  const task = await requireTask(deps, call, call.path.task, attempt);
  await deps.migrations.updateVm(task.migration, followed(task), { incoming });
  return { ok: true as const };
}
