import type { GuestFate } from '../../core/api/agent.ts';
import { requireOwnTask } from '../agents/access.ts';
import type { Call } from '../rest/call.ts';
import type { TaskDeps } from './deps.ts';
import { followed } from './followed.ts';

/**
 * What a destination tells of a guest. That it could run is noted with its owner: it and the source's reclaim meet in one
 * record, so that exactly one of them passes. Throws VM_OWNED_ELSEWHERE if the VM is not the destination's: it must not run
 * there. That it runs, or is lost, is what its source waits for.
 */
export async function announceRunning(deps: TaskDeps, call: Call<'announceRunning'>) {
  const task = await requireOwnTask(deps, call, call.path.task);
  const vm = followed(task);
  const { guest, waited_ms: waitedMs } = call.body;
  if (guest === 'loaded') {
    const { paused } = await deps.vms.run(task.namespace, vm.name, { migration: task.migration, owner: task.host });
    return { ok: true as const, ...(paused === undefined ? {} : { paused }) };
  }
  const fate: GuestFate = { is: guest, ...(waitedMs === undefined ? {} : { waited_ms: waitedMs }) };
  await deps.migrations.updateVm(task.migration, vm, { guest: fate });
  return { ok: true as const };
}
