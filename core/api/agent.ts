import * as z from 'zod';
import { limits } from '../limits.ts';
import { VM_ENDS } from '../migration.ts';
import { knownRates } from './forecast.ts';
import { count, digest, diskName, fileName, hostRef, migrationId, streamName, taskId, vmName } from './names.ts';
import { streamCounts, surveyedLayer, taskInput, taskResult } from './tasks.ts';

/** What agents say and hear. Every call on a task names its attempt: calls of older attempts are refused (ATTEMPT_STALE). */
export const errorJson: z.ZodType<import('../errors.ts').ErrorJson> = z.lazy(() =>
  z.object({
    code: z.string().max(limits.name_length_max),
    message: z.string().max(4096),
    hint: z.string().max(4096).exactOptional(),
    data: z.record(z.string(), z.unknown()).exactOptional(),
    cause: errorJson.exactOptional(),
  }),
);

export const enrolRequest = z.object({
  version: z.string().max(32),
  vms: z.array(vmName).max(limits.vms_per_host_max),
  free_bytes: count,
  /** Base layers in the host's image folder, verified by the agent. */
  layers: z.array(digest).max(limits.layers_per_enrolment_max),
  /** Those that are no longer there as they were. */
  lost: z.array(digest).max(limits.layers_per_enrolment_max).default([]),
  /** What it knows of its host and link from past transfers. */
  rates: knownRates.optional(),
});
export type EnrolRequest = z.infer<typeof enrolRequest>;

/** The destination’s word that a running VM can come: it has written all rounds up to `applied`. */
export const incoming = z.object({
  /** Where its QEMU takes the memory; absent if only the storage moves. */
  uri: z.string().min(1).max(limits.uri_length_max).optional(),
  /** Cursor of the last round that is written, by stream: one a disk. */
  applied: z
    .record(streamName, z.string().max(32))
    .refine((cursors) => Object.keys(cursors).length <= limits.vm_disks_max, 'one cursor a disk')
    .optional(),
});
export type Incoming = z.infer<typeof incoming>;

const vmOf = { migration: migrationId, vm: vmName };

export const pollRequest = z.object({
  /** Names this run of the agent; another run takes its tasks over. */
  instance: z.string().regex(/^[0-9a-f]{16,32}$/),
  free_bytes: count,
  running: z.array(z.object({ task: taskId, attempt: count, progress: z.array(streamCounts).max(256) })).max(16),
  /** Streams whose rounds the agent awaits, and the last round it has of each. */
  following: z
    .array(z.object({ migration: migrationId, stream: streamName, after: z.string().max(32).optional() }))
    .max(256),
  /** VMs whose destination receipt the source awaits. */
  awaiting: z.array(z.object(vmOf)).max(limits.gang_vms_max),
  /** VMs of which the source wants to hear that they can come, and the last word it heard. */
  expecting: z
    .array(z.object({ ...vmOf, heard: incoming.optional() }))
    .max(limits.gang_vms_max)
    .default([]),
  /** VMs whose end the destination awaits. */
  settling: z.array(z.object(vmOf)).max(limits.gang_vms_max).default([]),
  /** If there is nothing to tell, the answer may wait for so long until there is. */
  wait_ms: count.max(limits.poll_wait_ms_max).optional(),
});
export type PollRequest = z.infer<typeof pollRequest>;

export const roundSegments = z
  .array(z.object({ index: count.max(limits.layer_segments_max - 1), id: digest }))
  .max(limits.segments_per_round_commit_max);

export const receiptLayer = z.object({
  disk: diskName.optional(),
  name: fileName,
  layerId: digest,
  virtualBytes: count,
  evidence: z.enum(['read', 'catalogued']),
  /** When the last whole read of the layer began, if that is known. */
  scannedMs: count.optional(),
});
export const receipt = z.object({
  vm: vmName,
  migration: migrationId,
  side: z.enum(['source', 'destination']),
  chunkBytes: count,
  layers: z.array(receiptLayer).min(1).max(limits.vm_layers_max),
  atMs: count,
});

export const pollAnswer = z.object({
  tasks: z.array(z.object({ id: taskId, attempt: count, input: taskInput })),
  /** Running tasks of the request that the agent must stop: cancelled, or another run's by now. */
  cancelled: z.array(taskId),
  rounds: z.array(
    z.object({
      migration: migrationId,
      stream: streamName,
      cursor: z.string(),
      segments: roundSegments,
      layer_id: digest.optional(),
    }),
  ),
  receipts: z.array(receipt),
  /** Words that the source has not heard. */
  incoming: z.array(incoming.extend(vmOf)),
  settled: z.array(z.object({ ...vmOf, state: z.enum(VM_ENDS) })),
});
export type PollAnswer = z.infer<typeof pollAnswer>;

const attempt = { attempt: count };

export const reportRequest = z.object({
  ...attempt,
  outcome: z.discriminatedUnion('status', [
    z.object({ status: z.literal('done'), result: taskResult }),
    z.object({ status: z.literal('failed'), error: errorJson }),
  ]),
});
export type ReportRequest = z.infer<typeof reportRequest>;

export const grantRequest = z.object(attempt);
export const grantAnswer = z.object({
  bucket: z.string(),
  region: z.string(),
  endpoint: z.string().optional(),
  credentials: z.object({ accessKeyId: z.string(), secretAccessKey: z.string(), sessionToken: z.string() }),
  expiresMs: count,
});

/** Packs that are durable: the function reads their footers and writes the index rows. */
export const packsRequest = z.object({
  ...attempt,
  packs: z.array(digest).max(limits.packs_per_announcement_max),
  /** The batch whose claim ends (SHA-256 of its fingerprints). */
  release: digest.optional(),
});
export type PacksRequest = z.infer<typeof packsRequest>;

export const roundRequest = z.object({
  ...attempt,
  stream: streamName,
  sequence: count,
  segments: roundSegments,
  layer_id: digest.optional(),
});
export type RoundRequest = z.infer<typeof roundRequest>;

/** A base layer whose root, segments, placements and packs are all in the namespace's store. */
export const layerRequest = z.object({ ...attempt, layer_id: digest, layer: surveyedLayer, chunk_bytes: count });
export type LayerRequest = z.infer<typeof layerRequest>;

export const receiptRequest = z.object({ ...attempt, receipt });

export const incomingRequest = incoming.extend(attempt);

/** What a destination says of a guest. `loaded`: it could run here, and may it? `runs`: it does. `lost`: it does not, and never will. */
export const GUEST_WORDS = ['loaded', 'runs', 'lost'] as const;

/** Of no attempt: the ownership decides, whatever has become of the task. */
export const runningRequest = z.object({
  guest: z.enum(GUEST_WORDS).default('loaded'),
  /** Of one that runs: for how long it waited, loaded, until it did. */
  waited_ms: count.optional(),
});
/** `paused`: it was at its source, and is to stay so. */
export const runningAnswer = z.object({ ok: z.literal(true), paused: z.literal(true).optional() });

/**
 * What is known of a committed guest: its destination's last word, or that an operator left the VM to its destination whatever
 * has become of it.
 */
export const guestFate = z.object({ is: z.enum(['runs', 'lost', 'left']), waited_ms: count.optional() });
export type GuestFate = z.infer<typeof guestFate>;

/** The destination's word that it has these base layers in its image folder, and that it lost those. */
export const presenceRequest = z.object({ ...attempt, has: z.array(digest).max(64), lost: z.array(digest).max(64) });

/** Query of POST /fingerprints. */
export const fingerprintQuery = z.object({ task: taskId, attempt: z.coerce.number().int().nonnegative() });

export const commitRequest = z.object({
  ...attempt,
  task: taskId,
  vm: vmName,
  epoch: count,
  receipt,
  /** The guest was paused before anybody moved it. */
  paused: z.literal(true).optional(),
});
export const commitAnswer = z.object({ owner: hostRef, epoch: count });

/**
 * The source takes a VM back. Its agent names its task of the VM and the epoch that it was to commit. An operator names
 * neither and forces it, for the side that is to have the VM, which is right only if it does not run at the other one.
 */
export const reclaimRequest = z.object({
  vm: vmName,
  task: taskId.optional(),
  epoch: count.optional(),
  force: z.boolean().optional(),
  /** Of one that is forced: the source, unless it was lost. */
  side: z.enum(['source', 'destination']).optional(),
});
export type ReclaimRequest = z.infer<typeof reclaimRequest>;

export const ok = z.object({ ok: z.literal(true) });
