import { chunkLength, type Geometry, geometryOf, segmentLength } from '../../core/chunk.ts';
import type { Root } from '../../core/format/root.ts';
import { DATA, Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { DiskLayer } from '../disk/layer.ts';
import type { ManifestDraft } from '../manifests/draft.ts';
import type { ManifestStore } from '../manifests/store.ts';
import type { ChunkPool } from './pool.ts';
import { readChunks } from './read.ts';
import { touchedRuns } from './runs.ts';
import { Unchanged } from './unchanged.ts';

export interface ScanJob {
  readonly layer: DiskLayer;
  readonly chunkBytes: number;
  /** Layer id of the layer below; 32 zero bytes for a bottom layer. */
  readonly parent: Uint8Array;
  readonly pool: ChunkPool;
  readonly manifests: ManifestStore;
  readonly signal: AbortSignal;
  /** Called with the raw bytes read so far. */
  readonly progress?: ((readBytes: number) => void) | undefined;
}

export interface ScannedLayer {
  /** Hex. */
  readonly layerId: string;
  readonly root: Root;
  /** Raw bytes of the data chunks that the layer holds. */
  readonly dataBytes: number;
}

/**
 * Reads all that a layer holds, fingerprints it and seals its manifest.
 * Errors: LAYER_CHANGED if the file changed meanwhile (nothing is sealed), those of reading, the signal's reason.
 */
export async function scanLayer(job: ScanJob): Promise<ScannedLayer> {
  const { layer, chunkBytes, parent, manifests } = job;
  const geometry = geometryOf(layer.virtualBytes, chunkBytes);
  const unchanged = await Unchanged.since(layer);
  const draft = await manifests.draft(geometry, parent);
  try {
    const dataBytes = await putSegments(job, geometry, draft);
    await unchanged.check();
    return { ...(await draft.seal()), dataBytes };
  } catch (error) {
    await draft.discard();
    throw error;
  }
}

async function putSegments(job: ScanJob, geometry: Geometry, draft: ManifestDraft): Promise<number> {
  const runs = touchedRuns(job.layer.extents(0, geometry.virtualBytes), geometry);
  let open: { index: number; segment: Segment } | undefined;
  let dataBytes = 0;
  let readBytes = 0;
  const put = async ({ index, segment }: { index: number; segment: Segment }) => {
    await draft.putSegment(index, segment);
    dataBytes += dataBytesOf(geometry, index, segment);
  };
  for await (const batch of readChunks({ ...job, geometry }, runs, job.signal)) {
    if (open?.index !== batch.segment) {
      if (open !== undefined) await put(open);
      open = { index: batch.segment, segment: new Segment(segmentLength(geometry, batch.segment)) };
    }
    batch.describe(open.segment);
    readBytes += batch.readBytes;
    job.progress?.(readBytes);
  }
  if (open !== undefined) await put(open);
  return dataBytes;
}

function dataBytesOf(geometry: Geometry, index: number, { states, chunks }: Segment): number {
  const first = index * limits.segment_chunks;
  let bytes = 0;
  for (let chunk = 0; chunk < chunks; chunk++) {
    if (states[chunk] === DATA) bytes += chunkLength(geometry, first + chunk);
  }
  return bytes;
}
