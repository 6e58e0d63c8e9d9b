import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { hasCode } from '../../core/errors.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import type { Receipt } from '../../core/receipt.ts';
import type { Chain } from '../disk/layer.ts';
import { ManifestStore } from '../manifests/store.ts';
import { ChunkPool } from '../scan/pool.ts';
import { scanLayer } from '../scan/scan-layer.ts';
import { firstDifference } from './first-difference.ts';

/** One layer of a chain, read again. */
export interface VerifiedLayer {
  readonly name: string;
  /** What the receipt says; undefined if it has no such layer. Hex. */
  readonly expected: string | undefined;
  /** What its file holds now. Hex. */
  readonly found: string;
  readonly dataBytes: number;
  /** The first chunk that is not what it was; only if the layer differs and its manifest is among the known ones. */
  readonly chunk?: number;
}

/**
 * Reads every layer of a chain again, bottom first, and tells its layer id beside the receipt's. Each is read as over the
 * layer below that the receipt names, so that only what was changed itself differs. `known` are manifests of layers as
 * they were. Errors: those of scanLayer.
 */
export async function* verifyChain(
  chain: Chain,
  receipt: Pick<Receipt, 'chunkBytes' | 'layers'>,
  signal: AbortSignal,
  known?: ManifestStore,
): AsyncGenerator<VerifiedLayer> {
  const scratch = await systemFiles.makeTemporaryFolder(join(tmpdir(), 'layermover-verify-'));
  const pool = new ChunkPool();
  try {
    const manifests = new ManifestStore(scratch);
    let parent: Uint8Array = NO_DIGEST;
    for (const [depth, layer] of chain.layers.entries()) {
      const scanned = await scanLayer({ layer, parent, pool, manifests, signal, chunkBytes: receipt.chunkBytes });
      const expected = receipt.layers[depth]?.layerId;
      const found = scanned.layerId;
      const chunk = await changedChunk({ manifests, layerId: found }, known, expected);
      const where = chunk === undefined ? {} : { chunk };
      yield { name: basename(layer.path), expected, found, dataBytes: scanned.dataBytes, ...where };
      parent = fromHex(expected ?? found);
    }
  } finally {
    await pool.close();
    await systemFiles.remove(scratch);
  }
}

async function changedChunk(
  found: { manifests: ManifestStore; layerId: string },
  known: ManifestStore | undefined,
  expected: string | undefined,
): Promise<number | undefined> {
  if (known === undefined || expected === undefined || expected === found.layerId) return undefined;
  try {
    return await firstDifference({ manifests: known, layerId: expected }, found);
  } catch (error) {
    // What the layer was can't be looked up any more; that it differs is known.
    if (hasCode(error, 'MANIFEST_CORRUPT')) return undefined;
    throw error;
  }
}
