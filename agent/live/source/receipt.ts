import type { Receipt } from '../../../core/receipt.ts';
import { receiptLayer } from '../../tasks/receipts.ts';
import { layerChanged } from '../../tasks/send.ts';
import type { TaskHost } from '../../tasks/task.ts';
import type { LiveCutoverInput } from './cutover-of.ts';

/**
 * What a running VM holds, now that its last round is sent: the layers that were surveyed, unchanged by the catalog's word, and
 * the top layer as its rounds made it. Errors: LAYER_CHANGED.
 */
export async function liveReceipt(host: TaskHost, input: LiveCutoverInput, layerId: string): Promise<Receipt> {
  const { migration, chain, chunk_bytes: chunkBytes } = input;
  const layers = [];
  for (const { layer } of chain.layers.slice(0, -1)) {
    const known = await host.catalog.byLayer(layer.layer_id!);
    if (known === undefined || known.chunkBytes !== chunkBytes) throw layerChanged(layer.name);
    layers.push(receiptLayer(known, migration));
  }
  const { name, virtual_bytes: virtualBytes } = chain.layers.at(-1)!.layer;
  const top = { name, layerId, virtualBytes, evidence: 'read' } as const;
  return { vm: chain.vm, migration, side: 'source', chunkBytes, layers: [...layers, top], atMs: host.clock.nowMs() };
}
