import type { Receipt, ReceiptLayer } from '../../core/receipt.ts';
import type { KnownLayer } from '../catalog/catalog.ts';

/** A layer whose content is known, in a receipt of `migration`. */
export function receiptLayer(
  {
    name,
    layerId,
    virtualBytes,
    migration: readFor,
    scannedMs,
  }: Pick<KnownLayer, 'name' | 'layerId' | 'virtualBytes' | 'migration' | 'scannedMs'>,
  migration: string,
): ReceiptLayer {
  const evidence = readFor === migration ? 'read' : 'catalogued';
  return { name, layerId, virtualBytes, evidence, ...(scannedMs === undefined ? {} : { scannedMs }) };
}

/** A receipt as the API takes it. */
export function sendable(receipt: Receipt) {
  return { ...receipt, layers: receipt.layers.map((layer) => ({ ...layer })) };
}
