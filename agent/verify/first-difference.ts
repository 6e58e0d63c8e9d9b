import { sameDigest } from '../../core/fingerprint.ts';
import { segmentIdAt } from '../../core/format/root.ts';
import { DATA, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { ManifestStore } from '../manifests/store.ts';

interface Manifest {
  readonly manifests: ManifestStore;
  /** Hex. */
  readonly layerId: string;
}

/**
 * The number of the first chunk in which two layers of one geometry differ; undefined if a manifest is not there, or the
 * layers are of different disks, or differ in nothing but their parents. Errors: MANIFEST_CORRUPT.
 */
export async function firstDifference(a: Manifest, b: Manifest): Promise<number | undefined> {
  const [one, other] = [await a.manifests.root(a.layerId), await b.manifests.root(b.layerId)];
  if (one === undefined || other === undefined) return undefined;
  if (one.geometry.virtualBytes !== other.geometry.virtualBytes) return undefined;
  for (let index = 0; index < one.geometry.segments; index++) {
    if (sameDigest(segmentIdAt(one, index), segmentIdAt(other, index))) continue;
    const within = differsAt(await a.manifests.segment(a.layerId, index), await b.manifests.segment(b.layerId, index));
    return index * limits.segment_chunks + within;
  }
  return undefined;
}

/** Segments with different ids differ somewhere. */
function differsAt(a: Segment, b: Segment): number {
  return a.states.findIndex((state, chunk) => {
    if (state !== b.states[chunk]) return true;
    return state === DATA && !sameDigest(a.fingerprint(chunk), b.fingerprint(chunk));
  });
}
