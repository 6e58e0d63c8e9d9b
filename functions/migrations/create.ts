import { isDeepStrictEqual } from 'node:util';
import { liveOptions, type MigrationRequest } from '../../core/api/views.ts';
import { geometryOf } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { kindsOf } from '../../core/kinds.ts';
import type { LiveOptions, MigrationRecord } from '../../core/records.ts';
import { announceState } from '../records/change-state.ts';
import type { Call } from '../rest/call.ts';
import { bodyInvalid } from '../rest/check.ts';
import type { MigrationDeps } from './deps.ts';

/**
 * Creates a migration and starts its workflow. The same request again answers the same migration, and starts what a crash
 * may have left unstarted. Throws HOST_UNKNOWN, REQUEST_ID_REUSED, GEOMETRY_REFUSED or KINDS_MISMATCH.
 */
export async function create(
  deps: MigrationDeps,
  call: Pick<Call<'createMigration'>, 'namespace' | 'body'>,
): Promise<MigrationRecord> {
  const { namespace, body } = call;
  geometryOf(0, body.chunk_bytes);
  if (body.kinds !== undefined) kindsOf(body.kinds.length, body.kinds);
  await requireDestination(deps, namespace, body);
  const wanted = recordOf(namespace, body, deps.clock.nowMs());
  const record = await deps.migrations.create(wanted);
  if (!isDeepStrictEqual(requestOf(record), requestOf(wanted))) throw requestIdReused(record);
  if (record.state === 'requested') await begin(deps, record);
  return record;
}

/** Starts the workflow of a migration's present run, once however often it is called. */
export async function begin(deps: MigrationDeps, record: MigrationRecord): Promise<void> {
  const { workflow } = deps;
  const { id: migration, run, updatedMs } = record;
  await announceState(deps, record, updatedMs);
  await workflow.start(run === 1 ? migration : `${migration}-${run}`, { migration, run });
}

export function migrationIdOf(namespace: string, requestId: string): string {
  return `m${toHex(sha256(Buffer.from(`${namespace}\n${requestId}`))).slice(0, 20)}`;
}

export function requestIdReused({ id, requestId }: MigrationRecord): LayerMoverError {
  return new LayerMoverError('REQUEST_ID_REUSED', `request ${requestId} asked for something else before`, {
    hint: 'a new request needs a new request id',
    data: { migration: id },
  });
}

/** Throws HOST_UNKNOWN. */
export async function requireDestination(
  { hosts }: MigrationDeps,
  namespace: string,
  { to }: Pick<MigrationRequest, 'to'>,
): Promise<void> {
  const host = await hosts.find(namespace, to);
  if (host !== undefined && host.seenMs > 0) return;
  throw new LayerMoverError('HOST_UNKNOWN', `no agent has enrolled ${to} in ${namespace}`, {
    hint: 'start its agent, or look up its name with `layermover host list`',
    data: { host: to },
  });
}

function recordOf(namespace: string, request: MigrationRequest, nowMs: number): MigrationRecord {
  const {
    request_id: requestId,
    vms,
    to,
    from,
    policy,
    chunk_bytes,
    kinds,
    max_rate_bytes_per_second: rate,
    plan_only,
  } = request;
  const live = liveOf(request);
  const id = migrationIdOf(namespace, requestId);
  return {
    id,
    namespace,
    requestId,
    vmNames: vms,
    to,
    ...(from === undefined ? {} : { from }),
    policy,
    chunkBytes: chunk_bytes,
    ...(kinds === undefined ? {} : { kinds }),
    ...(live === undefined ? {} : { live }),
    ...(rate === undefined ? {} : { maxRateBytesPerSecond: rate }),
    ...(plan_only ? { planOnly: true } : {}),
    run: 1,
    state: 'requested',
    createdMs: nowMs,
    updatedMs: nowMs,
  };
}

/** How running VMs are moved; undefined for stopped ones. Throws BODY_INVALID if options of the one are given for the other. */
function liveOf({ mode, live }: MigrationRequest): LiveOptions | undefined {
  if (mode === 'cold' && live !== undefined)
    throw bodyInvalid('`live` holds options of the mode live; this one is cold');
  if (mode === 'cold') return undefined;
  const { cutover, max_downtime_ms, on_no_convergence } = live ?? liveOptions.parse({});
  return { cutover, maxDowntimeMs: max_downtime_ms, onNoConvergence: on_no_convergence };
}

/** What was asked for, without what became of it. */
function requestOf(record: MigrationRecord) {
  const { namespace, requestId, vmNames, to, from, policy, chunkBytes, kinds, live } = record;
  const { maxRateBytesPerSecond, planOnly } = record;
  const how = { policy, chunkBytes, kinds, live, maxRateBytesPerSecond, planOnly };
  return { namespace, requestId, vmNames, to, from, ...how };
}
