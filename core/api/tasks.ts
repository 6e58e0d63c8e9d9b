import { z } from 'zod';
import { KINDS } from '../kinds.ts';
import { limits } from '../limits.ts';
import { TREATMENTS } from '../plan.ts';
import { count, digest, fileName, migrationId, streamName, vmName } from './names.ts';

const kind = z.enum(KINDS);

/** One file of an image, as its container is: what the destination needs to make a like one. */
export const container = z.object({
  format: z.enum(['qcow2', 'raw']),
  cluster_bytes: count,
  version: z.union([z.literal(2), z.literal(3)]).optional(),
});
export type Container = z.infer<typeof container>;

/** What the source found of one layer; `layer_id` is unknown for user data that goes direct. */
export const surveyedLayer = z.object({
  kind,
  name: fileName,
  layer_id: digest.optional(),
  parent: digest.nullable(),
  virtual_bytes: count,
  data_bytes: count,
  container,
});
export type SurveyedLayer = z.infer<typeof surveyedLayer>;

/** A layer to be pushed or pulled within a migration. */
export const layerTransfer = z.object({
  stream: streamName,
  vm: vmName,
  /** Its place in the VM's chain, 0 = bottom. */
  depth: count,
  treatment: z.enum(TREATMENTS),
  /** The store has all of it: nothing to push. */
  stored: z.boolean(),
  layer: surveyedLayer,
  /** The layer id of the layer below; null for a bottom layer. */
  parent: digest.nullable(),
});
export type LayerTransfer = z.infer<typeof layerTransfer>;

const vmChain = z.object({ vm: vmName, layers: z.array(layerTransfer).min(1).max(limits.chain_layers_max) });

const about = { migration: migrationId, run: count, chunk_bytes: count };

/** What an agent is asked to do. `survey`, `seed` and `cutover` go to the source, `fetch` and `follow` to the destination. */
export const taskInput = z.discriminatedUnion('kind', [
  /** Open the chains, fingerprint base layers that the agent has not catalogued (and all layers if `policy` is dedup). */
  z.object({
    kind: z.literal('survey'),
    ...about,
    policy: z.enum(['auto', 'dedup', 'direct']),
    vms: z
      .array(z.object({ name: vmName, kinds: z.array(kind).optional() }))
      .min(1)
      .max(limits.gang_vms_max),
  }),
  /** Push these base layers. */
  z.object({ kind: z.literal('seed'), ...about, layers: z.array(layerTransfer) }),
  /** Pull these base layers and place them, in order (a layer comes after its parent). */
  z.object({ kind: z.literal('fetch'), ...about, layers: z.array(layerTransfer) }),
  /** Push the top layer of a stopped VM, await the destination's receipt, commit. */
  z.object({ kind: z.literal('cutover'), ...about, epoch: count, chain: vmChain }),
  /** Pull the top layer round by round, finish the chain, read it back, store the receipt. */
  z.object({ kind: z.literal('follow'), ...about, epoch: count, chain: vmChain }),
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
  milliseconds: count,
});
export type StreamCounts = z.infer<typeof streamCounts>;
export { streamCounts };

/** What an agent answers when it is done. */
export const taskResult = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('survey'),
    vms: z.array(z.object({ name: vmName, layers: z.array(surveyedLayer).min(1).max(limits.chain_layers_max) })),
  }),
  z.object({ kind: z.literal('seed'), streams: z.array(streamCounts) }),
  z.object({ kind: z.literal('fetch'), streams: z.array(streamCounts) }),
  z.object({ kind: z.literal('cutover'), streams: z.array(streamCounts) }),
  z.object({ kind: z.literal('follow'), streams: z.array(streamCounts) }),
]);
export type TaskResult = z.infer<typeof taskResult>;
