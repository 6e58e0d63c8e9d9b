import type { Receipt, ReceiptLayer } from '../../core/receipt.ts';
import type { KnownLayer } from '../catalog/catalog.ts';

/** A layer whose content is known, in a receipt of `migration`. */
export function receiptLayer(
  {
    name,
    layerId,
    virtualBytes,
    migration: readFor,
  }: Pick<KnownLayer, 'name' | 'layerId' | 'virtualBytes' | 'migration'>,
  migration: string,
): ReceiptLayer {
  return { name, layerId, virtualBytes, evidence: readFor === migration ? 'read' : 'catalogued' };
}

/** A receipt as the API takes it. */
export function sendable(receipt: Receipt) {
  return { ...receipt, layers: receipt.layers.map((layer) => ({ ...layer })) };
}
