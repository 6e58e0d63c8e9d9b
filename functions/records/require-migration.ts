import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { vmUnknown } from '../../adapters/rules/refusals.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { hasEnded } from '../../core/migration.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';

type Ports = Pick<CloudPorts, 'migrations'>;

/** Throws MIGRATION_UNKNOWN, also for one of another namespace. */
export async function requireMigration(ports: Ports, id: string, namespace?: string): Promise<MigrationRecord> {
  const record = await ports.migrations.find(id);
  if (record === undefined || (namespace !== undefined && record.namespace !== namespace))
    throw new LayerMoverError('MIGRATION_UNKNOWN', `there is no migration ${id}`, {
      hint: '`layermover list` shows those there are',
    });
  return record;
}

/** A migration, for its workflow of one run. Throws MIGRATION_UNKNOWN, or RUN_STALE once it was resumed. */
export async function requireRun(ports: Ports, id: string, run: number): Promise<MigrationRecord> {
  const record = await requireMigration(ports, id);
  if (record.run !== run) throw new LayerMoverError('RUN_STALE', `${id} is in run ${record.run} by now, not in ${run}`);
  return record;
}

/** A migration that may go on. Throws what requireRun does, MIGRATION_ENDED or ABORTED. */
export async function requireRunning(ports: Ports, id: string, run: number): Promise<MigrationRecord> {
  const record = await requireRun(ports, id, run);
  if (hasEnded(record.state)) throw migrationEnded(record);
  if (record.abortRequested) throw aborted(id);
  return record;
}

/** The migration's VMs in the order in which they were asked for. */
export async function gangOf(ports: Ports, { id, vmNames }: MigrationRecord): Promise<VmRecord[]> {
  const vms = await ports.migrations.vms(id);
  return vms.toSorted((a, b) => vmNames.indexOf(a.name) - vmNames.indexOf(b.name));
}

/** Those of its VMs that its present run moves: what an earlier one committed is left alone. */
export async function movingGangOf(ports: Ports, record: MigrationRecord): Promise<VmRecord[]> {
  return (await gangOf(ports, record)).filter((vm) => vm.run === record.run);
}

/** One VM that this run of the migration moves. Throws VM_UNKNOWN. */
export async function requireVm(ports: Ports, id: string, run: number, name: string): Promise<VmRecord> {
  const vm = (await ports.migrations.vms(id)).find((each) => each.name === name && each.run === run);
  if (vm === undefined) throw vmUnknown(id, name, run);
  return vm;
}

export function migrationEnded({ id, state }: MigrationRecord): LayerMoverError {
  return new LayerMoverError('MIGRATION_ENDED', `migration ${id} has ended: ${state}`, { hint: 'ask for a new one' });
}

export function aborted(id: string): LayerMoverError {
  return new LayerMoverError('ABORTED', `migration ${id} is being aborted`, {
    hint: 'VMs that are not committed stay with their source',
  });
}
