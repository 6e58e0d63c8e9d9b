import type { LayerTransfer, StreamCounts, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { assertAgreed, type Receipt, type ReceiptLayer } from '../../core/receipt.ts';
import { type FileIdentity, identitiesOf, sameFiles } from '../catalog/identity.ts';
import { assertNotHeld } from '../disk/held.ts';
import type { Chain, DiskLayer } from '../disk/layer.ts';
import { cutoverLive } from '../live/source/cutover-live.ts';
import { nameOf, topOf, withChain } from './chains.ts';
import { commitVm } from './commit.ts';
import { forgetManifest, knowLayer } from './know.ts';
import { vmOutcome } from './outcome.ts';
import { receiptLayer } from './receipts.ts';
import { layerChanged, sendLayer } from './send.ts';
import type { TaskHost, TaskRun } from './task.ts';

type CutoverInput = Extract<TaskInput, { kind: 'cutover' }>;

/**
 * Pushes the top layer of a stopped VM, waits for the destination's receipt and commits, if both sides hold the same
 * and nobody has touched the images meanwhile. Until then the VM is the source's. A running VM is handed over.
 * Errors: IMAGE_HELD, LAYER_CHANGED, RECEIPTS_DIFFER, EPOCH_STALE and those of sendLayer.
 */
export async function cutover(host: TaskHost, run: TaskRun, input: CutoverInput): Promise<TaskResult> {
  if (input.live !== undefined) return cutoverLive(host, run, { ...input, live: input.live });
  const { migration, chain: wanted } = input;
  // An attempt before this one may have committed and not come to report it.
  const outcome = run.attempt > 1 ? await vmOutcome(host.api, migration, wanted.vm, run.signal) : 'moving';
  if (outcome === 'committed') return { kind: 'cutover', streams: [] };
  const image = await host.images.find(wanted.vm);
  return withChain(host.images, { path: image.top }, async (chain) => {
    const before = await identities(chain);
    await assertNotHeld(chain.layers, host.images.files);
    const bases = await surveyedBases(host, input, chain);
    const top = await sendTop(host, run, input, chain);
    const layers = [...bases, top.receipt];
    const own: Receipt = {
      vm: wanted.vm,
      migration,
      side: 'source',
      chunkBytes: input.chunk_bytes,
      layers,
      atMs: host.clock.nowMs(),
    };
    assertAgreed(own, await host.news.receipt(migration, wanted.vm, run.signal));
    await assertNotHeld(chain.layers, host.images.files);
    await assertSame(chain, before);
    await commitVm(host, run, input, own);
    return { kind: 'cutover', streams: top.counts };
  });
}

/** The layers below the top are those that were surveyed: the catalog says so without a read. */
async function surveyedBases(host: TaskHost, input: CutoverInput, chain: Chain): Promise<ReceiptLayer[]> {
  const wanted = input.chain.layers;
  if (chain.layers.length !== wanted.length) throw layerChanged(topOf(chain).path);
  const found: ReceiptLayer[] = [];
  for (const [depth, layer] of chain.layers.slice(0, -1).entries()) {
    const known = await host.catalog.lookup(layer.path, input.chunk_bytes);
    if (known === undefined || known.layerId !== wanted[depth]!.layer.layer_id) throw layerChanged(layer.path);
    found.push(receiptLayer(known, input.migration));
  }
  return found;
}

async function sendTop(
  host: TaskHost,
  run: TaskRun,
  input: CutoverInput,
  chain: Chain,
): Promise<{ receipt: ReceiptLayer; counts: StreamCounts[] }> {
  const transfer = input.chain.layers.at(-1)!;
  const layer = topOf(chain);
  if (layer.virtualBytes !== transfer.layer.virtual_bytes) throw layerChanged(layer.path);
  if (transfer.treatment === 'direct') {
    const { layerId, counts } = await sendLayer(host, run, input, transfer, layer);
    await forgetManifest(host, layerId);
    const receipt = { name: nameOf(layer), layerId, virtualBytes: layer.virtualBytes, evidence: 'read' } as const;
    return { receipt, counts: [counts] };
  }
  const known = await knownTop(host, run, input, transfer, layer);
  if (known === undefined || known.layerId !== (transfer.layer.layer_id ?? known.layerId))
    throw layerChanged(layer.path);
  const named = { ...transfer, layer: { ...transfer.layer, layer_id: known.layerId } };
  const counts = isSent(named) ? [] : [(await sendLayer(host, run, input, named, layer)).counts];
  return { receipt: receiptLayer(known, input.migration), counts };
}

/** A top layer that the plan found to be worth looking up, and nobody has read yet, is read now. */
async function knownTop(host: TaskHost, run: TaskRun, input: CutoverInput, transfer: LayerTransfer, layer: DiskLayer) {
  const { migration, chunk_bytes: chunkBytes } = input;
  const { kind, layer_id: layerId } = transfer.layer;
  if (layerId !== undefined) return await host.catalog.lookup(layer.path, chunkBytes);
  const below = transfer.parent === null ? undefined : await host.catalog.byLayer(transfer.parent);
  const wanted = { layer, below, chunkBytes, role: 'top', kind, migration } as const;
  return await host.places.source(run.signal, () => knowLayer(host, wanted, run.signal));
}

/** Nothing is to be sent of what the destination or the store has. */
function isSent({ treatment, stored }: LayerTransfer): boolean {
  return treatment === 'skip' || stored;
}

type Identities = readonly (readonly (FileIdentity | undefined)[])[];

function identities(chain: Chain): Promise<Identities> {
  return Promise.all(chain.layers.map(identitiesOf));
}

async function assertSame(chain: Chain, before: Identities): Promise<void> {
  const now = await identities(chain);
  const changed = chain.layers.find((_, depth) => !sameFiles(before[depth]!, now[depth]!));
  if (changed !== undefined) throw layerChanged(changed.path);
}
