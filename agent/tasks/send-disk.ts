import type { LayerTransfer, StreamCounts, TaskInput } from '../../core/api/tasks.ts';
import { type Disk, ofDisk, topLayer } from '../../core/disks.ts';
import type { ReceiptLayer } from '../../core/receipt.ts';
import type { Chain, DiskLayer } from '../disk/layer.ts';
import { nameOf, topOf } from './chains.ts';
import { forgetManifest, knowLayer } from './know.ts';
import { receiptLayer } from './receipts.ts';
import { layerChanged, sendLayer } from './send.ts';
import type { TaskHost, TaskRun } from './task.ts';

type CutoverInput = Extract<TaskInput, { kind: 'cutover' }>;

/** A disk of a stopped VM, sent: what its chain holds. */
export interface SentDisk {
  readonly layers: readonly ReceiptLayer[];
  readonly counts: readonly StreamCounts[];
}

/** Sends the top layer of one of a stopped VM’s disks. Errors: LAYER_CHANGED and those of sendLayer. */
export async function sendDisk(
  host: TaskHost,
  run: TaskRun,
  input: CutoverInput,
  disk: Disk<LayerTransfer>,
  chain: Chain,
): Promise<SentDisk> {
  const bases = await surveyedBases(host, input, disk, chain);
  const top = await sendTop(host, run, input, topLayer(disk), chain);
  const layers = [...bases, top.receipt].map((layer) => ({ ...ofDisk(disk.disk), ...layer }));
  return { layers, counts: top.counts };
}

/** The layers below the top are those that were surveyed: the catalog says so without a read. */
async function surveyedBases(
  host: TaskHost,
  input: CutoverInput,
  { layers: wanted }: Disk<LayerTransfer>,
  chain: Chain,
): Promise<ReceiptLayer[]> {
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
  transfer: LayerTransfer,
  chain: Chain,
): Promise<{ receipt: ReceiptLayer; counts: StreamCounts[] }> {
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
