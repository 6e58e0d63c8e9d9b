import * as z from 'zod';
import { guestFate, incoming, receipt, roundSegments } from '../../core/api/agent.ts';
import { knownRates, layerForecast, migrationForecast } from '../../core/api/forecast.ts';
import {
  count,
  digest,
  diskName,
  fileName,
  hostRef,
  migrationId,
  namespaceName,
  streamName,
  taskId,
  vmName,
} from '../../core/api/names.ts';
import { blackout, CUTOVERS, roundStats, surveyedLayer, taskInput, taskResult } from '../../core/api/tasks.ts';
import { ON_NO_CONVERGENCE } from '../../core/convergence/options.ts';
import { type ErrorJson, LayerMoverError } from '../../core/errors.ts';
import { COLLECTION_PHASES, COUNTED_KINDS, type CollectionRun, FATES } from '../../core/garbage.ts';
import { BASE_KINDS, KINDS } from '../../core/kinds.ts';
import { MIGRATION_STATES, VM_STATES } from '../../core/migration.ts';
import type { HostRecord, Ownership } from '../../core/ports.ts';
import type { LayerRecord, MigrationRecord, Round, StreamRecord, VmRecord } from '../../core/records.ts';
import type { Task } from '../../core/task.ts';
import { POLICIES, TREATMENTS } from '../../core/treatments.ts';

/** An error of any length: what was stored must be read again. */
const storedError: z.ZodType<ErrorJson> = z.lazy(() =>
  z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string().exactOptional(),
    data: z.record(z.string(), z.unknown()).exactOptional(),
    cause: storedError.exactOptional(),
  }),
);

/** The records as they lie in the tables. Keys and bookkeeping around them are left out when they are read. */
export const claimItem = z.object({ owner: z.string(), untilMs: count });
export const rowItem = z.object({ pk: z.string(), pack: digest });
export const condemnedItem = z.object({ condemned: digest });
export const idleItem = z.object({ idle: digest, sinceMs: count, removedMs: count.optional() });

export const layerItem: z.ZodType<LayerRecord> = z.object({
  layerId: digest,
  parent: digest.nullable(),
  kind: z.enum(KINDS),
  name: fileName,
  virtualBytes: count,
  chunkBytes: count,
  dataBytes: count,
  recordedMs: count,
  usedMs: count.optional(),
});

const tally = z.object({ objects: count, bytes: count });

export const collectionItem: z.ZodType<CollectionRun> = z.object({
  namespace: namespaceName,
  id: z.string(),
  dryRun: z.boolean(),
  state: z.enum(['running', 'done', 'failed']),
  page: count,
  phase: z.enum(COLLECTION_PHASES),
  after: z.string().optional(),
  filter: z.string().optional(),
  startedMs: count,
  updatedMs: count,
  endedMs: count.optional(),
  error: storedError.optional(),
  counts: z.object({
    objects: z.record(z.enum(COUNTED_KINDS), z.record(z.enum(FATES), tally)),
    layersKept: count,
    layersWithdrawn: count,
    rowsRemoved: count,
  }),
});

export const hostItem: z.ZodType<HostRecord> = z.object({
  ref: hostRef,
  caller: z.string(),
  version: z.string(),
  vms: z.array(vmName),
  freeBytes: count,
  seenMs: count,
  rates: knownRates.optional(),
});

export const identityItem = z.object({ namespace: namespaceName });

export const ownershipItem: z.ZodType<Ownership> = z.object({
  vm: vmName,
  owner: hostRef,
  epoch: count,
  lease: z.object({ migration: migrationId, untilMs: count }).optional(),
  broughtBy: migrationId.optional(),
  runs: z.boolean().optional(),
  paused: z.literal(true).optional(),
  takenBack: migrationId.optional(),
});

const registration = z.object({
  files: z.array(z.string()),
  kind: z.enum(BASE_KINDS),
  publish: z.boolean(),
  layers: z.array(surveyedLayer.extend({ layer_id: digest, published: z.boolean() })).optional(),
});

export const migrationItem: z.ZodType<MigrationRecord> = z.object({
  id: migrationId,
  namespace: namespaceName,
  requestId: z.string(),
  vmNames: z.array(vmName),
  to: hostRef,
  from: hostRef.optional(),
  policy: z.enum(POLICIES),
  chunkBytes: count,
  kinds: z.array(z.enum(KINDS)).optional(),
  live: z
    .object({ cutover: z.enum(CUTOVERS), maxDowntimeMs: count, onNoConvergence: z.enum(ON_NO_CONVERGENCE) })
    .optional(),
  maxRateBytesPerSecond: count.optional(),
  registration: registration.optional(),
  planOnly: z.boolean().optional(),
  run: count,
  state: z.enum(MIGRATION_STATES),
  createdMs: count,
  updatedMs: count,
  endedMs: count.optional(),
  abortRequested: z.boolean().optional(),
  forecast: migrationForecast.optional(),
  error: storedError.optional(),
});

const plannedLayer = z.object({
  disk: diskName.optional(),
  stream: streamName,
  kind: z.enum(KINDS),
  name: fileName,
  layerId: digest.optional(),
  virtualBytes: count,
  dataBytes: count,
  treatment: z.enum(TREATMENTS),
  reason: z.string(),
  shared: z.boolean(),
  stored: z.boolean(),
  published: z.boolean().optional(),
  turn: count.optional(),
  forecast: layerForecast.optional(),
});

export const vmItem: z.ZodType<VmRecord> = z.object({
  name: vmName,
  run: count,
  source: hostRef,
  epoch: count,
  state: z.enum(VM_STATES),
  surveyed: z.array(surveyedLayer).optional(),
  layers: z.array(plannedLayer).optional(),
  rounds: z.array(roundStats.extend({ throttleBytesPerSecond: count.optional() })).optional(),
  decided: z
    .object({
      round: count,
      predictedMs: count.optional(),
      throttleBytesPerSecond: count.optional(),
      reason: z.string(),
    })
    .optional(),
  incoming: incoming.optional(),
  guest: guestFate.optional(),
  blackout: blackout.optional(),
  sourceReceipt: receipt.optional(),
  destinationReceipt: receipt.optional(),
  startedMs: count.optional(),
  endedMs: count.optional(),
  error: storedError.optional(),
});

export const streamItem: z.ZodType<StreamRecord> = z.object({
  stream: streamName,
  side: z.enum(['source', 'destination']),
  doneBytes: count,
  totalBytes: count,
  wireBytes: count,
  storedBytes: count,
  dedupedBytes: count,
  unaskedBytes: count.optional(),
  milliseconds: count,
  movedMs: count.optional(),
});

export const roundItem: z.ZodType<Round> = z.object({
  stream: streamName,
  cursor: z.string(),
  segments: roundSegments,
  layerId: digest.optional(),
});

export const taskItem: z.ZodType<Task> = z.object({
  id: taskId,
  namespace: namespaceName,
  migration: migrationId,
  host: hostRef,
  input: taskInput,
  token: z.string(),
  postedMs: count,
  attempt: count,
  state: z.enum(['waiting', 'running', 'closed']),
  instance: z.string().optional(),
  outcome: z
    .discriminatedUnion('status', [
      z.object({ status: z.literal('done'), result: taskResult }),
      z.object({ status: z.literal('failed'), error: storedError }),
      z.object({ status: z.literal('cancelled') }),
    ])
    .optional(),
});

/** An item as its schema reads it. Throws ITEM_INVALID: somebody else wrote it, or another version. */
export function readItem<T>(schema: z.ZodType<T>, item: Readonly<Record<string, unknown>>): T {
  const read = schema.safeParse(item);
  if (read.success) return read.data;
  throw new LayerMoverError('ITEM_INVALID', `an item of the tables is not in its form: ${item.pk}`, {
    hint: 'was it written by another version of LayerMover?',
    data: { pk: item.pk, sk: item.sk },
    cause: read.error,
  });
}
