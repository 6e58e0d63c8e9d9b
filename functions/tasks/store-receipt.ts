import { requireTask } from '../agents/access.ts';
import type { Call } from '../rest/call.ts';
import { bodyInvalid } from '../rest/check.ts';
import type { TaskDeps } from './deps.ts';

/** Stores what the destination read back of a VM. Only the task that made its files can say. */
export async function storeReceipt(deps: TaskDeps, call: Call<'storeReceipt'>) {
  const { attempt, receipt } = call.body;
  const task = await requireTask(deps, call, call.path.task, attempt);
  const { input } = task;
  const vm = input.kind === 'follow' ? input.chain.vm : undefined;
  if (vm !== receipt.vm || receipt.side !== 'destination' || receipt.migration !== task.migration)
    throw bodyInvalid(`this is no receipt of ${task.id}`);
  await deps.migrations.updateVm(task.migration, { name: vm, run: input.run }, { destinationReceipt: receipt });
  return { ok: true as const };
}
