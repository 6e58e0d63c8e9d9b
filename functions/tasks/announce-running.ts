import { requireTask } from '../agents/access.ts';
import type { Call } from '../rest/call.ts';
import type { TaskDeps } from './deps.ts';
import { followed } from './followed.ts';

/**
 * Notes that the VM runs at its destination. It and the source's reclaim meet in one record, so that exactly one of them
 * passes. Throws VM_OWNED_ELSEWHERE if the VM is not the destination's: it must not run there.
 */
export async function announceRunning(deps: TaskDeps, call: Call<'announceRunning'>) {
  const task = await requireTask(deps, call, call.path.task, call.body.attempt);
  const { name } = followed(task);
  await deps.vms.run(task.namespace, name, { migration: task.migration, owner: task.host });
  return { ok: true as const };
}
