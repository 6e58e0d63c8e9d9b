import { disksOf, ofDisk, topLayer } from '../../../core/disks.ts';
import type { Receipt, ReceiptLayer } from '../../../core/receipt.ts';
import { receiptLayer } from '../../tasks/receipts.ts';
import { layerChanged } from '../../tasks/send.ts';
import type { TaskHost } from '../../tasks/task.ts';
import type { LiveCutoverInput } from './cutover-of.ts';

/**
 * What a running VM holds, now that its last round is sent: the layers that were surveyed, unchanged by the catalog's word, and
 * of each disk the top layer as its rounds made it. Errors: LAYER_CHANGED.
 */
export async function liveReceipt(
  host: TaskHost,
  input: LiveCutoverInput,
  layerIds: readonly string[],
): Promise<Receipt> {
  const { migration, chain, chunk_bytes: chunkBytes } = input;
  const layers: ReceiptLayer[] = [];
  for (const [at, disk] of disksOf(chain.layers).entries()) {
    for (const { layer } of disk.layers.slice(0, -1)) {
      const known = await host.catalog.byLayer(layer.layer_id!);
      if (known === undefined || known.chunkBytes !== chunkBytes) throw layerChanged(layer.name);
      layers.push({ ...ofDisk(disk.disk), ...receiptLayer(known, migration) });
    }
    const { name, virtual_bytes: virtualBytes } = topLayer(disk).layer;
    layers.push({ ...ofDisk(disk.disk), name, layerId: layerIds[at]!, virtualBytes, evidence: 'read' });
  }
  return { vm: chain.vm, migration, side: 'source', chunkBytes, layers, atMs: host.clock.nowMs() };
}
