import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import type { Receipt } from '../../core/receipt.ts';
import type { Chain } from '../disk/layer.ts';
import { ManifestStore } from '../manifests/store.ts';
import { ChunkPool } from '../scan/pool.ts';
import { scanLayer } from '../scan/scan-layer.ts';

/** One layer of a chain, read again. */
export interface VerifiedLayer {
  readonly name: string;
  /** What the receipt says; undefined if it has no such layer. Hex. */
  readonly expected: string | undefined;
  /** What its file holds now. Hex. */
  readonly found: string;
  readonly dataBytes: number;
}

/**
 * Reads every layer of a chain again, bottom first, and tells its layer id beside the receipt's. A layer below that
 * differs makes all above differ, too, for their ids name their parents: the first difference is the one that counts.
 * Errors: those of scanLayer.
 */
export async function* verifyChain(chain: Chain, receipt: Receipt, signal: AbortSignal): AsyncGenerator<VerifiedLayer> {
  const scratch = await systemFiles.makeTemporaryFolder(join(tmpdir(), 'layermover-verify-'));
  const pool = new ChunkPool();
  try {
    const manifests = new ManifestStore(scratch);
    let parent: Uint8Array = NO_DIGEST;
    for (const [depth, layer] of chain.layers.entries()) {
      const scanned = await scanLayer({ layer, parent, pool, manifests, signal, chunkBytes: receipt.chunkBytes });
      const expected = receipt.layers[depth]?.layerId;
      yield { name: basename(layer.path), expected, found: scanned.layerId, dataBytes: scanned.dataBytes };
      parent = fromHex(scanned.layerId);
    }
  } finally {
    await pool.close();
    await systemFiles.remove(scratch);
  }
}
