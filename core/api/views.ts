import * as z from 'zod';
import { ON_NO_CONVERGENCE } from '../convergence/options.ts';
import { KINDS } from '../kinds.ts';
import { limits } from '../limits.ts';
import { MIGRATION_STATES, VM_STATES } from '../migration.ts';
import { POLICIES, TREATMENTS } from '../treatments.ts';
import { errorJson, guestFate, receipt } from './agent.ts';
import { layerForecast, migrationForecast } from './forecast.ts';
import { count, digest, diskName, fileName, hostRef, identityArn, migrationId, streamName, vmName } from './names.ts';
import { blackout, CUTOVERS, roundStats } from './tasks.ts';

export const MODES = ['cold', 'live'] as const;

/** How running VMs are moved. */
export const liveOptions = z.object({
  cutover: z.enum(CUTOVERS).default('ram'),
  /** The pause that a cutover may take, as predicted. */
  max_downtime_ms: count.min(1).max(limits.downtime_ms_max).default(limits.downtime_ms_default),
  /** What is done when another round would not shorten the pause. */
  on_no_convergence: z.enum(ON_NO_CONVERGENCE).default('throttle'),
});

const maxRate = count.min(limits.rate_bytes_per_second_min).optional();

/** What users say and hear. */
export const migrationRequest = z.object({
  /** The same request id again answers the same migration. */
  request_id: z.string().regex(/^[A-Za-z0-9._:-]{8,64}$/),
  vms: z
    .array(vmName)
    .min(1)
    .max(limits.gang_vms_max)
    .refine((names) => new Set(names).size === names.length, 'each VM once'),
  to: hostRef,
  /** Needed only if several hosts announce a VM that nobody owns yet. */
  from: hostRef.optional(),
  policy: z.enum(POLICIES).default('auto'),
  chunk_bytes: count.default(limits.chunk_bytes_default),
  /** One a layer, bottom first; of a VM of several disks, disk after disk. */
  kinds: z.array(z.enum(KINDS)).min(1).max(limits.vm_layers_max).optional(),
  /** `cold`: the VMs are stopped. `live`: they run, and go on running at the destination. */
  mode: z.enum(MODES).default('cold'),
  /** Of `live` alone. */
  live: liveOptions.optional(),
  /** What each source may send a second at the most, for this migration. */
  max_rate_bytes_per_second: maxRate,
  /** Ends once it is planned: nothing is moved, stored or leased, and `forecast` tells what it would take. */
  plan_only: z.boolean().default(false),
});
export type MigrationRequest = z.infer<typeof migrationRequest>;

export const resumeRequest = z.object({
  /** The run that failed, as the view told. Once it was resumed, the same request again changes nothing. */
  run: count,
});

export const layerView = z.object({
  /** Which of the VM’s disks, if it has several. */
  disk: diskName.optional(),
  stream: streamName,
  kind: z.enum(KINDS),
  name: fileName,
  layer_id: digest.optional(),
  treatment: z.enum(TREATMENTS),
  reason: z.string(),
  /** True if another VM of the gang brings this layer and its bytes are counted there. */
  shared: z.boolean(),
  /** True if the store had all of it when the migration was planned: the source sends nothing. */
  stored: z.boolean(),
  /** Size of the disk as the guest sees it. */
  virtual_bytes: count,
  /** Bytes that the layer itself holds. */
  logical_bytes: count,
  /** Bytes the source sent: packs, manifests, fingerprints. */
  wire_bytes: count,
  stored_bytes: count,
  deduped_bytes: count,
  /** Of a layer that was to be deduplicated: raw bytes that the index was not asked for, as asking turned out not to pay. */
  unasked_bytes: count.optional(),
  /** Bytes the destination fetched. */
  pulled_bytes: count,
  /** Raw bytes that the destination took from other layers of its own instead. */
  local_bytes: count,
  /** Raw bytes that the source is done with: they are in the store, sent or found there. */
  handled_bytes: count,
  /** Raw bytes that the destination has written. */
  done_bytes: count,
  /** Raw bytes that there are to handle, and to write. */
  total_bytes: count,
  seconds: z.number().nonnegative(),
  /** What it was expected to take; of a layer that another VM brings, too, told there. */
  forecast: layerForecast.optional(),
});
export type LayerView = z.infer<typeof layerView>;

/** How a running VM comes along. */
export const liveView = z.object({
  rounds: z.array(roundStats.extend({ throttle_bytes_per_second: count.optional() })).max(limits.rounds_max),
  /** What a cutover now would pause the VM for. */
  predicted_blackout_ms: count.optional(),
  /** Why the next thing is done, for a person. */
  reason: z.string().optional(),
  /** What the guest may write a second; absent: as much as it wants. */
  throttle_bytes_per_second: count.optional(),
  /** Measured, once the VM was cut over. */
  blackout: blackout.optional(),
  /** What became of the guest, once its VM was committed. */
  guest: guestFate.optional(),
});
export type LiveView = z.infer<typeof liveView>;

export const vmView = z.object({
  name: vmName,
  source: hostRef,
  state: z.enum(VM_STATES),
  /** Both receipts are stored and agree; absent until then. */
  equal: z.boolean().optional(),
  logical_bytes: count,
  wire_bytes: count,
  stored_bytes: count,
  seconds: z.number().nonnegative(),
  layers: z.array(layerView),
  live: liveView.optional(),
  error: errorJson.optional(),
});
export type VmView = z.infer<typeof vmView>;

export const migrationView = z.object({
  id: migrationId,
  state: z.enum(MIGRATION_STATES),
  to: hostRef,
  policy: z.enum(POLICIES),
  mode: z.enum(MODES),
  live: liveOptions.optional(),
  max_rate_bytes_per_second: maxRate,
  /** 1 at first, one more each time it was resumed. */
  run: count,
  created_ms: count,
  updated_ms: count,
  ended_ms: count.optional(),
  abort_requested: z.boolean(),
  vm_names: z.array(vmName),
  /** Set if nothing but a plan was asked for. */
  plan_only: z.boolean().optional(),
  /** Once it is planned. */
  forecast: migrationForecast.optional(),
  vms: z.array(vmView),
  error: errorJson.optional(),
});
export type MigrationView = z.infer<typeof migrationView>;

export const migrationSummary = migrationView.omit({ vms: true, forecast: true });
export type MigrationSummary = z.infer<typeof migrationSummary>;

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(limits.page_items_max).default(20),
  after: z.string().max(128).optional(),
});
const next = { next: z.string().optional() };
export const migrationPage = z.object({ migrations: z.array(migrationSummary), ...next });

export const receiptsView = z.object({
  migration: migrationId,
  vms: z.array(
    z.object({
      vm: vmName,
      agree: z.boolean(),
      content_digest: digest.optional(),
      source: receipt.optional(),
      destination: receipt.optional(),
    }),
  ),
});
export type ReceiptsView = z.infer<typeof receiptsView>;

export const storedLayerView = z.object({
  layer_id: digest,
  parent: digest.nullable(),
  kind: z.enum(KINDS),
  name: z.string(),
  virtual_bytes: count,
  chunk_bytes: count,
  logical_bytes: count,
  /** When it was stored, or registered if it is not. */
  recorded_ms: count,
  /** The namespace's store has all of it. */
  stored: z.boolean(),
  /** The public namespace's store has all of it. */
  published: z.boolean(),
  /** Hosts of the namespace that announced it. */
  holders: z.array(hostRef),
});
export type StoredLayerView = z.infer<typeof storedLayerView>;
export const layersQuery = pageQuery.extend({
  /** Those that every namespace may read, and no others. */
  published: z.stringbool().default(false),
});
export const layerPage = z.object({ layers: z.array(storedLayerView), ...next });

export const withdrawRequest = z.object({
  /** From what all namespaces share. Otherwise from the namespace's own store. */
  published: z.boolean().default(false),
  /** Though no host is known that holds it. */
  force: z.boolean().default(false),
});
export const withdrawAnswer = z.object({
  layer_id: digest,
  /** The store had it. */
  stored: z.boolean(),
  /** Hosts of the namespace that hold it. */
  holders: z.array(hostRef),
});
export type WithdrawAnswer = z.infer<typeof withdrawAnswer>;

export const hostView = z.object({
  host: hostRef,
  version: z.string(),
  vms: z.array(vmName),
  free_bytes: count,
  seen_ms: count,
});
export type HostView = z.infer<typeof hostView>;
/** Who is to speak for a host, and for no host that it was not bound to. */
export const bindRequest = z.object({ identity: identityArn });
export const bindAnswer = z.object({ host: hostRef, identity: z.string() });

export const hostPage = z.object({ hosts: z.array(hostView) });

/** RFC 9457 problem details; `code` is stable. */
export const problem = z.object({
  type: z.string(),
  /** Names the request, as the functions' logs do. */
  instance: z.string().optional(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  hint: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});
export type Problem = z.infer<typeof problem>;
