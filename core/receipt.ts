import { type OfDisk, ofDisk } from './disks.ts';
import { LayerMoverError } from './errors.ts';
import { sha256, toHex } from './fingerprint.ts';

/** How a side knows what a layer holds: it read it from disk for this migration, or when it was catalogued before. */
export type Evidence = 'read' | 'catalogued';

export interface ReceiptLayer extends OfDisk {
  readonly name: string;
  readonly layerId: string;
  readonly virtualBytes: number;
  readonly evidence: Evidence;
  /** When the last whole read began that this rests on, if the side noted it. */
  readonly scannedMs?: number | undefined;
}

/** What one side holds of a VM, disk after disk, layer by layer, bottom first: the proof of what arrived. */
export interface Receipt {
  readonly vm: string;
  readonly migration: string;
  readonly side: 'source' | 'destination';
  readonly chunkBytes: number;
  readonly layers: readonly ReceiptLayer[];
  readonly atMs: number;
}

/**
 * SHA-256 (hex) of the VM’s content: chunk size and layer ids, with the disk of each if there are several. Both sides of an equal
 * VM have the same.
 */
export function contentDigest(receipt: Pick<Receipt, 'chunkBytes' | 'layers'>): string {
  const lines = [receipt.chunkBytes, ...receipt.layers.map(contentOf)];
  return toHex(sha256(Buffer.from(lines.join('\n'))));
}

function isSame(a: ReceiptLayer | undefined, b: ReceiptLayer | undefined): boolean {
  return a !== undefined && b !== undefined && contentOf(a) === contentOf(b);
}

function contentOf({ disk, layerId }: ReceiptLayer): string {
  return disk === undefined ? layerId : `${disk} ${layerId}`;
}

/** Throws RECEIPTS_DIFFER, with the first layer that differs, unless both sides hold the same. */
export function assertAgreed(source: Receipt, destination: Receipt): void {
  if (source.vm === destination.vm && contentDigest(source) === contentDigest(destination)) return;
  const depth = Math.max(source.layers.length, destination.layers.length);
  const at = Array.from({ length: depth }, (_, i) => i).find((i) => !isSame(source.layers[i], destination.layers[i]));
  const layer = at === undefined ? undefined : (source.layers[at] ?? destination.layers[at]);
  throw new LayerMoverError(
    'RECEIPTS_DIFFER',
    `the sides hold different content of ${source.vm}${layer ? ` in layer ${layer.name}` : ''}`,
    {
      hint: 'the source still owns the VM; run the migration again',
      data: {
        vm: source.vm,
        ...ofDisk(layer?.disk),
        layer: layer?.name,
        source: source.layers[at ?? 0]?.layerId,
        destination: destination.layers[at ?? 0]?.layerId,
      },
    },
  );
}
