import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import { STATE_CHANGED, type StateChanged } from '../../core/api/events.ts';
import type { MigrationState } from '../../core/migration.ts';
import type { Clock } from '../../core/ports.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { gangOf } from './require-migration.ts';

export type StatePorts = Pick<CloudPorts, 'migrations' | 'events'> & { readonly clock: Clock };

/**
 * Moves a migration on to a state and emits the event, again if it is there already: a crash between the two loses no
 * event, it may double one. Answers false, nothing changed, if the migration is in a state that is not one of `from`,
 * or in another run.
 */
export async function changeState(
  ports: StatePorts,
  record: MigrationRecord,
  from: readonly MigrationState[],
  change: Partial<MigrationRecord> & { readonly state: MigrationState },
): Promise<boolean> {
  const atMs = ports.clock.nowMs();
  const changed = await ports.migrations.update(record, from, { updatedMs: atMs, ...change });
  const found = changed ? { ...record, ...change } : await ports.migrations.find(record.id);
  const stands = found?.run === record.run && found.state === change.state;
  if (stands) await announceState(ports, found, atMs);
  return stands;
}

/** Emits the state that a migration is in, with its VMs'. Of a registration nobody hears: it moves none. */
export async function announceState(
  ports: Pick<CloudPorts, 'migrations' | 'events'>,
  record: MigrationRecord,
  atMs: number,
): Promise<void> {
  if (record.registration !== undefined) return;
  const { id: migration, namespace, run, state, to, vmNames, error } = record;
  const gang = new Map((await gangOf(ports, record)).map((vm) => [vm.name, vm.state]));
  const told: StateChanged = {
    type: STATE_CHANGED,
    version: 1,
    namespace,
    migration,
    run,
    state,
    to,
    vms: vmNames.map((name) => ({ name, state: gang.get(name) ?? 'waiting' })),
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message, ...hintOf(error) } }),
    atMs,
  };
  await ports.events.emit(told);
}

function hintOf({ hint }: { readonly hint?: string | undefined }) {
  return hint === undefined ? {} : { hint };
}
