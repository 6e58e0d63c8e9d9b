import * as z from 'zod';
import { limits } from '../limits.ts';
import { MIGRATION_STATES, VM_STATES } from '../migration.ts';
import { count, DEFAULT_NAMESPACE, hostRef, migrationId, namespaceName, ownNamespace, vmName } from './names.ts';
import { migrationRequest } from './views.ts';

/** Events by which others ask for migrations, and the event by which they hear of them. */
export const MIGRATION_REQUESTED = 'layermover.migration.requested';
export const HOST_EVACUATE = 'layermover.host.evacuate';
export const STATE_CHANGED = 'layermover.migration.state-changed';

const namespace = ownNamespace.default(DEFAULT_NAMESPACE);

/** As POST /migrations takes it. Without a request id the event's own is used: a doubled event does nothing twice. */
export const migrationRequested = migrationRequest.extend({
  namespace,
  request_id: migrationRequest.shape.request_id.optional(),
});

/** All VMs of a host are to move, in gangs. */
export const hostEvacuate = z.object({
  namespace,
  request_id: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{8,60}$/)
    .optional(),
  from: hostRef,
  to: hostRef,
  policy: migrationRequest.shape.policy,
  mode: migrationRequest.shape.mode,
  live: migrationRequest.shape.live,
  max_rate_bytes_per_second: migrationRequest.shape.max_rate_bytes_per_second,
});

/** A JSON object that was put under `requests/` in the bucket: either of the two. */
export const requestObject = z.discriminatedUnion('type', [
  migrationRequested.extend({ type: z.literal(MIGRATION_REQUESTED) }),
  hostEvacuate.extend({ type: z.literal(HOST_EVACUATE) }),
]);

/**
 * The detail of what the bus tells of migrations: each state of each run once at least, in any order, some twice. `run` and
 * the order of states tell what is newer. A reader must take `version` 1 with fields that it does not know.
 */
export const stateChanged = z.object({
  type: z.literal(STATE_CHANGED),
  version: z.literal(1),
  namespace: namespaceName,
  migration: migrationId,
  /** 1 at first, one more each time the migration was resumed. */
  run: count,
  state: z.enum(MIGRATION_STATES),
  to: hostRef,
  /** How each VM stands. Once the migration has ended: `committed` are the destination's, `rolled-back` their source's as before. */
  vms: z.array(z.object({ name: vmName, state: z.enum(VM_STATES) })).max(limits.gang_vms_max),
  /** Why it failed or was aborted; `code` is stable. */
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).optional(),
  /** When, in milliseconds since 1970. */
  atMs: count,
});
export type StateChanged = z.infer<typeof stateChanged>;

/** Where objects that ask for something lie. */
export const REQUESTS_PREFIX = 'requests/';

/** Of such a key. Plain characters only: they look the same in every encoding. */
export const requestKey = z
  .string()
  .max(limits.path_length_max)
  .regex(/^requests\/[\w./-]+\.json$/);
