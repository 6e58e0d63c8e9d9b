import { z } from 'zod';
import { limits } from '../limits.ts';
import { count, digest, fileName, hostRef, migrationId, streamName, taskId, vmName } from './names.ts';
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
});
export type EnrolRequest = z.infer<typeof enrolRequest>;

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
  awaiting: z.array(z.object({ migration: migrationId, vm: vmName })).max(limits.gang_vms_max),
});
export type PollRequest = z.infer<typeof pollRequest>;

export const roundSegments = z
  .array(z.object({ index: count.max(limits.layer_segments_max - 1), id: digest }))
  .max(limits.segments_per_round_commit_max);

export const receiptLayer = z.object({
  name: fileName,
  layerId: digest,
  virtualBytes: count,
  evidence: z.enum(['read', 'catalogued']),
});
export const receipt = z.object({
  vm: vmName,
  migration: migrationId,
  side: z.enum(['source', 'destination']),
  chunkBytes: count,
  layers: z.array(receiptLayer).min(1).max(limits.chain_layers_max),
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

/** The destination's word that it has these base layers in its image folder, and that it lost those. */
export const presenceRequest = z.object({ ...attempt, has: z.array(digest).max(64), lost: z.array(digest).max(64) });

/** Query of POST /fingerprints. */
export const fingerprintQuery = z.object({ task: taskId, attempt: z.coerce.number().int().nonnegative() });

export const commitRequest = z.object({ ...attempt, task: taskId, vm: vmName, epoch: count, receipt });
export const commitAnswer = z.object({ owner: hostRef, epoch: count });

export const ok = z.object({ ok: z.literal(true) });
