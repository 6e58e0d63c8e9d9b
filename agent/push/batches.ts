import { DIGEST_BYTES, isNone, sha256, toHex } from '../../core/fingerprint.ts';
import { type Root, segmentIdAt } from '../../core/format/root.ts';
import { DATA, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { ManifestStore } from '../manifests/store.ts';

/** Segments whose fingerprints are asked for together. */
export interface Batch {
  readonly segments: readonly { readonly index: number; readonly content: Segment }[];
  /** Of all their data chunks, in order, 32 bytes each. */
  readonly fingerprints: Buffer;
  /** How many those are. */
  readonly chunks: number;
  /** SHA-256 of the fingerprints, hex: what a claim is made on. */
  readonly digest: string;
}

/**
 * All segments of a layer that hold anything, in batches. A batch ends as soon as it has the chunks of a full segment,
 * so a full segment is a batch of its own and thin ones share. The rule depends on content alone: agents that push
 * the same layer ask for the same batches, and their claims meet.
 */
export async function* batchesOf(
  manifests: ManifestStore,
  layerId: string,
  root: Root,
): AsyncGenerator<readonly number[]> {
  let open: number[] = [];
  let chunks = 0;
  for (let index = 0; index < root.geometry.segments; index++) {
    if (isNone(segmentIdAt(root, index))) continue;
    const content = await manifests.segment(layerId, index);
    open.push(index);
    chunks += content.count(DATA);
    if (chunks < limits.segment_chunks && open.length < limits.pack_segments_max) continue;
    yield open;
    open = [];
    chunks = 0;
  }
  if (open.length > 0) yield open;
}

export async function loadBatch(manifests: ManifestStore, layerId: string, indexes: readonly number[]): Promise<Batch> {
  const segments: { index: number; content: Segment }[] = [];
  for (const index of indexes) segments.push({ index, content: await manifests.segment(layerId, index) });
  const fingerprints = Buffer.concat(segments.map(({ content }) => fingerprintsOf(content)));
  return { segments, fingerprints, chunks: fingerprints.length / DIGEST_BYTES, digest: toHex(sha256(fingerprints)) };
}

function fingerprintsOf({ states, fingerprints }: Segment): Buffer {
  const parts: Uint8Array[] = [];
  states.forEach((state, chunk) => {
    if (state === DATA) parts.push(fingerprints.subarray(chunk * DIGEST_BYTES, (chunk + 1) * DIGEST_BYTES));
  });
  return Buffer.concat(parts);
}
