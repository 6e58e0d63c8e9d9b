import { isDeepStrictEqual } from 'node:util';
import { geometryOf } from '../../core/chunk.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { requireUnbound } from '../agents/access.ts';
import type { Call } from '../rest/call.ts';
import { begin, migrationIdOf, requestIdReused, requireDestination } from './create.ts';
import type { MigrationDeps } from './deps.ts';

/**
 * Asks for a registration: a migration's record that moves no VM, under the same workflow (docs/adr/0022). The same request
 * again answers the same one, and starts what a crash left unstarted. To publish is an operator's right, not a host's. Throws
 * HOST_UNKNOWN, REQUEST_ID_REUSED, GEOMETRY_REFUSED or CALLER_REFUSED.
 */
export async function register(deps: MigrationDeps, call: Call<'registerLayers'>): Promise<MigrationRecord> {
  const { namespace, body } = call;
  if (body.publish) await requireUnbound(deps, call, 'publish layers');
  geometryOf(0, body.chunk_bytes);
  await requireDestination(deps, namespace, { to: body.host });
  const wanted = recordOf(namespace, body, deps.clock.nowMs());
  const record = await deps.migrations.create(wanted);
  if (!isDeepStrictEqual(requestOf(record), requestOf(wanted))) throw requestIdReused(record);
  if (record.state === 'requested') await begin(deps, record);
  return record;
}

function recordOf(namespace: string, body: Call<'registerLayers'>['body'], nowMs: number): MigrationRecord {
  const { request_id: requestId, host, files, kind, publish, chunk_bytes: chunkBytes } = body;
  return {
    id: migrationIdOf(namespace, requestId),
    namespace,
    requestId,
    vmNames: [],
    to: host,
    policy: 'dedup',
    chunkBytes,
    registration: { files, kind, publish },
    run: 1,
    state: 'requested',
    createdMs: nowMs,
    updatedMs: nowMs,
  };
}

/** What was asked for, without what became of it. */
function requestOf({ namespace, requestId, to, chunkBytes, registration }: MigrationRecord) {
  const { files, kind, publish } = registration ?? {};
  return { namespace, requestId, to, chunkBytes, files, kind, publish };
}
