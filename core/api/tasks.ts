import * as z from 'zod';
import { BASE_KINDS, KINDS } from '../kinds.ts';
import { limits } from '../limits.ts';
import { TREATMENTS } from '../treatments.ts';
import { knownRates } from './forecast.ts';
import { count, digest, diskName, fileName, imagePath, migrationId, streamName, vmName } from './names.ts';

const kind = z.enum(KINDS);

/** One file of an image, as its container is: what the destination needs to make a like one. */
export const container = z.object({
  format: z.enum(['qcow2', 'raw']),
  cluster_bytes: count,
  version: z.union([z.literal(2), z.literal(3)]).optional(),
});
export type Container = z.infer<typeof container>;

/**
 * What the source found of one layer; `layer_id` is unknown for user data that goes direct. The layers of a VM of several disks
 * come disk after disk, each chain bottom first, and name theirs.
 */
export const surveyedLayer = z.object({
  disk: diskName.optional(),
  kind,
  name: fileName,
  layer_id: digest.optional(),
  parent: digest.nullable(),
  virtual_bytes: count,
  data_bytes: count,
  container,
});
export type SurveyedLayer = z.infer<typeof surveyedLayer>;

/** What a bounded look into a layer has shown: where it is, a few of its fingerprints, how it compresses. */
export const layerSample = z.object({
  stream: streamName,
  /** Those of its fingerprints that may have index rows, 32 bytes each, back to back, in base64: all of them, or some. */
  hooks: z.string().max(Math.ceil((limits.survey_hooks_max * 32) / 3) * 4),
  /** How many it has in all; of a layer that was not read to its end an estimate. */
  hooks_all: count,
  /** Raw bytes of its data chunks; of a layer that was not read to its end an estimate. */
  data_bytes: count,
  /** Raw bytes that were compressed, and what was left of them. */
  raw_bytes: count,
  compressed_bytes: count,
  /** zstd's level at which they were, the one that a push over this link would come to, and how long it took. Agents of other versions have others. */
  level: count.max(limits.zstd_level_max).optional(),
  compress_ms: z.number().nonnegative().optional(),
});
export type LayerSample = z.infer<typeof layerSample>;

/** A layer to be pushed or pulled within a migration. */
export const layerTransfer = z.object({
  stream: streamName,
  /** The VM that brings it; none if it is registered. */
  vm: vmName.optional(),
  /** Its place among the VM’s layers, 0 = the bottom one of the first disk. */
  depth: count,
  treatment: z.enum(TREATMENTS),
  /** The store has all of it: nothing to push. */
  stored: z.boolean(),
  /** It lies in the public namespace, or goes there. */
  published: z.literal(true).optional(),
  layer: surveyedLayer,
  /** The layer id of the layer below; null for a bottom layer. */
  parent: digest.nullable(),
});
export type LayerTransfer = z.infer<typeof layerTransfer>;

const vmChain = z.object({ vm: vmName, layers: z.array(layerTransfer).min(1).max(limits.vm_layers_max) });

const rate = count.min(limits.rate_bytes_per_second_min);

const about = { migration: migrationId, run: count, chunk_bytes: count };
/** What the task may send a second at the most; absent: as much as the link takes. */
const limited = { max_rate_bytes_per_second: rate.optional() };

export const CUTOVERS = ['ram', 'stop'] as const;
/** `ram`: the guest goes on at the destination with its memory. `stop`: it is paused, and only its storage moves. */
export type Cutover = (typeof CUTOVERS)[number];

/** How a running VM is cut over; absent for a stopped one. */
const liveCutover = z.object({
  cutover: z.enum(CUTOVERS),
  max_downtime_ms: count,
  /** What the guest may write a second until the cutover is over: its writes were slowed down in the rounds before. */
  throttle_bytes_per_second: count.optional(),
});
const ofVm = { ...about, epoch: count, chain: vmChain };

/** What an agent is asked to do. `register`, `survey`, `seed`, `round` and `cutover` go to the source, `fetch` and `follow` to the destination. */
export const taskInput = z.discriminatedUnion('kind', [
  /** Open the chains, fingerprint base layers that the agent has not catalogued (and all layers if `policy` is dedup). */
  z.object({
    kind: z.literal('survey'),
    ...about,
    ...limited,
    policy: z.enum(['auto', 'dedup', 'direct']),
    /** The VMs may run: their top layers change, so that nobody fingerprints them. */
    live: z.boolean().optional(),
    /** Nothing follows but a forecast: another migration may be moving the VMs, and must not be disturbed. */
    plan_only: z.boolean().optional(),
    vms: z
      .array(z.object({ name: vmName, kinds: z.array(kind).optional() }))
      .min(1)
      .max(limits.gang_vms_max),
  }),
  /** Fingerprint these files, and what they are based on, as base layers; the top one of each is of `layer_kind`. */
  z.object({
    kind: z.literal('register'),
    ...about,
    files: z.array(imagePath).min(1).max(limits.register_files_max),
    layer_kind: z.enum(BASE_KINDS),
  }),
  /** Push these base layers. */
  z.object({ kind: z.literal('seed'), ...about, ...limited, layers: z.array(layerTransfer) }),
  /** Pull these base layers and place them, in order (a layer comes after its parent). */
  z.object({ kind: z.literal('fetch'), ...about, layers: z.array(layerTransfer) }),
  /** Push what the top layers of a running VM hold (round 0), or what was written to them since the round before. */
  z.object({
    kind: z.literal('round'),
    ...ofVm,
    ...limited,
    round: count.max(limits.rounds_max),
    /** What the guest may write a second from now on; absent: as much as it wants. */
    throttle_bytes_per_second: count.optional(),
  }),
  /** Push what is left of the top layers, with the VM stopped or paused, await the destination's receipt, commit. */
  z.object({ kind: z.literal('cutover'), ...ofVm, ...limited, live: liveCutover.optional() }),
  /** Pull the top layers round by round, finish the chains, read it back, store the receipt. */
  z.object({ kind: z.literal('follow'), ...ofVm, live: liveCutover.optional() }),
]);
export type TaskInput = z.infer<typeof taskInput>;
export type TaskKind = TaskInput['kind'];

const streamCounts = z.object({
  stream: streamName,
  done_bytes: count,
  total_bytes: count,
  wire_bytes: count,
  stored_bytes: count,
  deduped_bytes: count,
  /** Raw bytes that the index was not asked for, as asking did not pay. */
  unasked_bytes: count.optional(),
  milliseconds: count,
});
export type StreamCounts = z.infer<typeof streamCounts>;
export { streamCounts };

/** What one round of a running VM did, all its disks together, and what is to be done now. */
export const roundStats = z.object({
  round: count.max(limits.rounds_max),
  /** Raw bytes that it copied. */
  dirty_bytes: count,
  /** What of them went over the wire, with manifests. */
  sent_bytes: count,
  milliseconds: count,
  /** Raw bytes that are dirty at its end: what a cutover now would have to copy. */
  remaining_bytes: count,
  /** Those of them that this round had copied, too: blocks that are written again and again. */
  hot_bytes: count.optional(),
  guest_write_bytes_per_second: count,
  /** Wire bytes a second while it sent. */
  link_bytes_per_second: count,
});
export type RoundStats = z.infer<typeof roundStats>;

/** The pause of a VM's cutover: in all, the part that its storage took, and the raw bytes copied in it. */
export const blackout = z.object({ total_ms: count, storage_ms: count, last_bytes: count });
export type Blackout = z.infer<typeof blackout>;

/** What an agent answers when it is done. Counts of a stream are of all its tasks up to now. */
export const taskResult = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('survey'),
    vms: z.array(z.object({ name: vmName, layers: z.array(surveyedLayer).min(1).max(limits.vm_layers_max) })),
    samples: z
      .array(layerSample)
      .max(limits.gang_vms_max * limits.vm_layers_max)
      .optional(),
    /** What running VMs write, in bytes a second. */
    writes: z
      .array(z.object({ vm: vmName, bytes_per_second: count }))
      .max(limits.gang_vms_max)
      .optional(),
    rates: knownRates.optional(),
  }),
  z.object({
    kind: z.literal('register'),
    streams: z.array(streamCounts),
    /** Each layer once, after its parent. */
    layers: z.array(surveyedLayer.required({ layer_id: true })).max(limits.registered_layers_max),
  }),
  z.object({ kind: z.literal('seed'), streams: z.array(streamCounts) }),
  z.object({ kind: z.literal('fetch'), streams: z.array(streamCounts) }),
  z.object({ kind: z.literal('round'), stats: roundStats, streams: z.array(streamCounts) }),
  z.object({ kind: z.literal('cutover'), streams: z.array(streamCounts), blackout: blackout.optional() }),
  z.object({ kind: z.literal('follow'), streams: z.array(streamCounts) }),
]);
export type TaskResult = z.infer<typeof taskResult>;
