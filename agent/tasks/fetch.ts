import type { LayerTransfer, StreamCounts, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { ahead, type Turn } from '../flow/ahead.ts';
import type { HeldLayer } from './held-layer.ts';
import { forgetManifest } from './know.ts';
import type { Wanted } from './pull-into.ts';
import { receiveLayer } from './receive.ts';
import type { TaskHost, TaskRun } from './task.ts';

type FetchInput = Extract<TaskInput, { kind: 'fetch' }>;

/**
 * Pulls base layers, each after its parent, and gives them their names as soon as they are read back: they belong to no
 * VM. What is here already is not pulled. VMs that are followed wait for them (Fetches). They are announced once a VM that lies on them
 * is here. A failure ends all of it but what was pulled before. Errors: LAYER_LOST and those of receiveLayer.
 */
export async function fetch(host: TaskHost, run: TaskRun, input: FetchInput): Promise<TaskResult> {
  return host.fetches.during(input.migration, async (arrived) => {
    // One after the other: what a layer shares with those before is read here, not fetched. The last may still be being read back.
    let last: HeldLayer | undefined;
    const bring = async (transfer: LayerTransfer, turn: Turn) => {
      const coming = { transfer, before: last };
      const pulled = async (layer: HeldLayer) => {
        last = layer;
        turn.next();
        // By then what it lies on has its name: it is read back over that.
        await turn.before;
      };
      const isHere = (await host.catalog.byLayer(transfer.stream)) !== undefined;
      const of = { ...run, signal: turn.signal };
      const streams = isHere ? [] : [await fetchLayer(host, of, input, coming, pulled)];
      await host.brought.share(transfer.stream, input.migration);
      arrived();
      return streams;
    };
    const bringOrWait = (transfer: LayerTransfer, turn: Turn) =>
      bring(transfer, turn).catch(async (error: unknown) => {
        // What was pulled before is read back and stays. If it fails, and is gone by now, that is why this one failed.
        await turn.before;
        throw error;
      });
    const streams = await ahead(input.layers, limits.layers_fetched_at_once, run.signal, bringOrWait);
    return { kind: 'fetch', streams: streams.flat() };
  });
}

type Coming = Pick<Wanted, 'transfer' | 'before'>;

async function fetchLayer(
  host: TaskHost,
  run: TaskRun,
  { migration, run: migrationRun, chunk_bytes: chunkBytes }: FetchInput,
  coming: Coming,
  pulled: (layer: HeldLayer) => Promise<void>,
): Promise<StreamCounts> {
  const { transfer } = coming;
  const layerId = transfer.stream;
  if (transfer.treatment === 'skip') throw await layerLost(host, run, layerId);
  const below = await baseOf(host, run, coming);
  const wanted = { ...coming, migration, run: migrationRun, chunkBytes, below };
  const bring = async () => {
    const { arrived, counts } = await receiveLayer(host, run, wanted, pulled);
    await host.brought.note(arrived);
    await host.arrivals.place(arrived);
    return counts;
  };
  // Another migration may bring the same layer, and its manifest is the same one.
  return host.fetches.bringing.do(layerId, bring, () => forgetManifest(host, layerId));
}

/** The layer below, which is here, or is being read back; undefined for a bottom layer. Errors: LAYER_LOST. */
async function baseOf(
  host: TaskHost,
  run: TaskRun,
  { transfer: { parent }, before }: Coming,
): Promise<HeldLayer | undefined> {
  if (parent === null) return undefined;
  const known = await host.catalog.byLayer(parent);
  if (known !== undefined) return known;
  if (before?.layerId === parent) return before;
  throw await layerLost(host, run, parent);
}

/** Tells the cloud that a layer which it thinks to be here is not, so that it will be sent next time. */
export async function layerLost(host: TaskHost, run: TaskRun, layerId: string): Promise<LayerMoverError> {
  await announce(host, run, { lost: [layerId] });
  return new LayerMoverError('LAYER_LOST', `the base layer ${layerId} is no longer as it was on ${host.ref}`, {
    hint: 'its file was changed or removed; run the migration again and it will be sent',
    data: { layerId, host: host.ref },
  });
}

/** Tells the cloud which base layers this host has, or has no longer. */
export async function announce(
  { api }: TaskHost,
  { task, attempt, signal }: TaskRun,
  { has = [], lost = [] }: { has?: string[]; lost?: string[] },
): Promise<void> {
  await api.call('announcePresence', { params: { task }, body: { attempt, has, lost }, signal });
}
