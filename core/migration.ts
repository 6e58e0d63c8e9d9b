/**
 * The states of a migration. `planned`: nothing but a plan was asked for. `committed`: every VM is the destination's. `failed` and `aborted`: those VMs that were not
 * committed stayed with their source, which each VM's own state tells.
 */
export const MIGRATION_STATES = [
  'requested',
  'preparing',
  'seeding',
  'moving',
  'planned',
  'committed',
  'failed',
  'aborted',
] as const;
export type MigrationState = (typeof MIGRATION_STATES)[number];

export const VM_STATES = ['waiting', 'moving', 'committed', 'rolled-back'] as const;
export type VmState = (typeof VM_STATES)[number];

/** What a VM's move can come to. */
export const VM_ENDS = ['committed', 'rolled-back'] as const satisfies readonly VmState[];
export type VmEnd = (typeof VM_ENDS)[number];

export const RUNNING: readonly MigrationState[] = ['requested', 'preparing', 'seeding', 'moving'];

export function hasEnded(state: MigrationState): boolean {
  return !RUNNING.includes(state);
}

/** How a migration ended, from how its VMs did. */
export function endState(vms: readonly VmState[], abortRequested: boolean): 'committed' | 'failed' | 'aborted' {
  if (vms.length > 0 && vms.every((state) => state === 'committed')) return 'committed';
  return abortRequested ? 'aborted' : 'failed';
}
