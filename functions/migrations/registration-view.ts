import type { RegistrationView } from '../../core/api/registrations.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { BaseKind } from '../../core/kinds.ts';
import type { MigrationState } from '../../core/migration.ts';
import type { MigrationRecord, Registration, StreamRecord } from '../../core/records.ts';
import type { MigrationDeps } from './deps.ts';

const STATES: Readonly<Record<MigrationState, RegistrationView['state']>> = {
  requested: 'fingerprinting',
  preparing: 'fingerprinting',
  seeding: 'publishing',
  moving: 'publishing',
  committed: 'done',
  // Of migrations alone.
  planned: 'done',
  failed: 'failed',
  aborted: 'aborted',
};

/** A registration as users see it. Throws MIGRATION_UNKNOWN for a migration. */
export async function registrationViewOf(
  { migrations }: Pick<MigrationDeps, 'migrations'>,
  record: MigrationRecord,
): Promise<RegistrationView> {
  const { id, registration, endedMs, error } = record;
  if (registration === undefined) throw new LayerMoverError('MIGRATION_UNKNOWN', `${id} registers no layers`);
  const streams = await migrations.streams(id);
  const isRead = ({ stream }: StreamRecord) => stream.startsWith('file:');
  const { files, kind, publish } = registration;
  return {
    id,
    state: STATES[record.state],
    host: record.to,
    files: [...files],
    kind,
    publish,
    run: record.run,
    created_ms: record.createdMs,
    updated_ms: record.updatedMs,
    ...(endedMs === undefined ? {} : { ended_ms: endedMs }),
    read: bytesOf(streams.filter(isRead)),
    sent: sentOf(streams.filter((each) => !isRead(each))),
    layers: layersOf(registration),
    ...(error === undefined ? {} : { error }),
  };
}

function layersOf({ layers = [] }: Registration): RegistrationView['layers'] {
  return layers.map((layer) => ({
    layer_id: layer.layer_id,
    parent: layer.parent,
    kind: layer.kind as BaseKind,
    name: layer.name,
    virtual_bytes: layer.virtual_bytes,
    logical_bytes: layer.data_bytes,
    container: layer.container,
    published: layer.published,
  }));
}

function bytesOf(streams: readonly StreamRecord[]) {
  return { done_bytes: sumOf(streams, 'doneBytes'), total_bytes: sumOf(streams, 'totalBytes') };
}

function sentOf(streams: readonly StreamRecord[]) {
  return {
    ...bytesOf(streams),
    wire_bytes: sumOf(streams, 'wireBytes'),
    stored_bytes: sumOf(streams, 'storedBytes'),
    deduped_bytes: sumOf(streams, 'dedupedBytes'),
  };
}

type Count = 'doneBytes' | 'totalBytes' | 'wireBytes' | 'storedBytes' | 'dedupedBytes';

function sumOf(streams: readonly StreamRecord[], count: Count): number {
  return streams.reduce((sum, each) => sum + each[count], 0);
}
