import type { ErrorJson } from '../../core/errors.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import type { StepDeps } from './deps.ts';

/** True if this migration has brought the VM to its destination. */
export async function isOurs({ vms }: StepDeps, { id, namespace, to }: MigrationRecord, vm: string): Promise<boolean> {
  const ownership = await vms.find(namespace, vm);
  return ownership?.broughtBy === id && ownership.owner === to;
}

/** True if the source has taken the VM back after its commit: the record may not have heard of it. */
async function wasTakenBack({ vms }: StepDeps, { id, namespace }: MigrationRecord, vm: string): Promise<boolean> {
  return (await vms.find(namespace, vm))?.takenBack === id;
}

/**
 * Ends a VM's part of a migration that failed. Once the lease is released no commit can pass, so what the ownership says
 * afterwards is final: the VM was committed just in time, or it stays with its source.
 */
export async function settle(deps: StepDeps, record: MigrationRecord, vm: VmRecord, error: ErrorJson): Promise<void> {
  if (vm.state === 'rolled-back') return;
  if (vm.state === 'committed' && !(await wasTakenBack(deps, record, vm.name))) return;
  await deps.vms.release(record.namespace, vm.name, record.id);
  const endedMs = deps.clock.nowMs();
  const change = (await isOurs(deps, record, vm.name))
    ? ({ state: 'committed', endedMs } as const)
    : ({ state: 'rolled-back', endedMs, error } as const);
  await deps.migrations.updateVm(record.id, vm, change);
}
