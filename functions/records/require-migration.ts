import type { CloudPorts } from '../../adapters/cloud-ports.ts';
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

/** A migration that may go on. Throws MIGRATION_UNKNOWN, MIGRATION_ENDED or ABORTED. */
export async function requireRunning(ports: Ports, id: string): Promise<MigrationRecord> {
  const record = await requireMigration(ports, id);
  if (hasEnded(record.state)) throw migrationEnded(record);
  if (record.abortRequested) throw aborted(id);
  return record;
}

/** The migration's VMs in the order in which they were asked for. */
export async function gangOf(ports: Ports, { id, vmNames }: MigrationRecord): Promise<VmRecord[]> {
  const vms = await ports.migrations.vms(id);
  return vms.toSorted((a, b) => vmNames.indexOf(a.name) - vmNames.indexOf(b.name));
}

/** One VM of the migration. Throws VM_UNKNOWN. */
export async function requireVm(ports: Ports, id: string, name: string): Promise<VmRecord> {
  const vm = (await ports.migrations.vms(id)).find((each) => each.name === name);
  if (vm === undefined) throw new LayerMoverError('VM_UNKNOWN', `${id} has no VM ${name}`);
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
