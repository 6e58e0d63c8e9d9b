import type { CloudPorts } from '../../adapters/cloud-ports.ts';
import type { MigrationState } from '../../core/migration.ts';
import type { Clock } from '../../core/ports.ts';
import type { MigrationRecord } from '../../core/records.ts';

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
  const found = changed ? undefined : await ports.migrations.find(record.id);
  const stands = changed || (found?.run === record.run && found.state === change.state);
  if (stands) await announceState(ports, record, change.state, atMs);
  return stands;
}

/** Emits that a migration is in a state. */
export async function announceState(
  { events }: Pick<CloudPorts, 'events'>,
  { id, namespace }: MigrationRecord,
  state: MigrationState,
  atMs: number,
): Promise<void> {
  await events.emit({ type: 'layermover.migration.state-changed', version: 1, namespace, migration: id, state, atMs });
}
