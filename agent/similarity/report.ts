import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import { ManifestStore } from '../manifests/store.ts';
import type { ChunkPool } from '../scan/pool.ts';
import { scanLayer } from '../scan/scan-layer.ts';
import type { Chains } from './chains.ts';
import { countShares, type Shares } from './shares.ts';
import { type Space, spaceOf } from './space.ts';

export interface SimilarityJob {
  readonly chains: Chains;
  readonly chunkBytes: number;
  /** How many VMs there are of each image that no other one lies on. */
  readonly vmsOfEach: number;
  readonly pool: ChunkPool;
  readonly signal: AbortSignal;
  /** Bytes that were read, of all layers. */
  readonly progress?: (readBytes: number) => void;
}

/** What layers have in common, at one chunk size. */
export interface Similarity extends Shares, Space {
  readonly chunkBytes: number;
  readonly layers: readonly MeasuredLayer[];
}

export interface MeasuredLayer {
  readonly name: string;
  /** Hex, at this chunk size. */
  readonly layerId: string;
  readonly dataBytes: number;
}

/**
 * Fingerprints each layer once and counts what they share. Their manifests, 32 bytes a chunk, lie in a temporary folder
 * (TMPDIR) until it is done. Errors: those of scanLayer, countShares and spaceOf.
 */
export async function similarityOf(job: SimilarityJob): Promise<Similarity> {
  const { chains, chunkBytes, signal } = job;
  const scratch = await systemFiles.makeTemporaryFolder(join(tmpdir(), 'layermover-similarity-'));
  try {
    const manifests = new ManifestStore(scratch);
    const layers = await measure(job, manifests);
    const layerIds = layers.map((layer) => layer.layerId);
    const chunks = layers.reduce((sum, { dataBytes }) => sum + Math.ceil(dataBytes / chunkBytes), 0);
    const shares = await countShares({ layerIds, chunks, manifests, signal });
    const space = await spaceOf({ layers, vms: chains.vms, each: job.vmsOfEach, manifests, signal });
    return { chunkBytes, layers, ...shares, ...space };
  } finally {
    await systemFiles.remove(scratch);
  }
}

async function measure(job: SimilarityJob, manifests: ManifestStore): Promise<MeasuredLayer[]> {
  const { chains, chunkBytes, pool, signal } = job;
  const measured: MeasuredLayer[] = [];
  let before = 0;
  for (const [i, layer] of chains.layers.entries()) {
    const below = chains.below[i];
    const parent = below === undefined ? NO_DIGEST : fromHex(measured[below]!.layerId);
    let read = 0;
    const progress = (readBytes: number) => {
      read = readBytes;
      job.progress?.(before + readBytes);
    };
    const { layerId, dataBytes } = await scanLayer({ layer, parent, chunkBytes, pool, manifests, signal, progress });
    before += read;
    measured.push({ name: chains.names[i]!, layerId, dataBytes });
  }
  return measured;
}
