import { isNone, sameDigest } from '../../core/fingerprint.ts';
import { segmentIdAt } from '../../core/format/root.ts';
import { ABSENT, DATA, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { ManifestReader } from './manifest-reader.ts';

/** Data chunks of a disk. */
export type Sample = readonly { readonly chunk: number; readonly fingerprint: Uint8Array }[];

/**
 * Of each chunk of a sample 1 if a layer has it in its place, itself or, where it is absent, by what it lies on: `below`.
 * Undefined if not all of its manifest that matters can be read.
 */
export async function heldOver(
  reader: ManifestReader,
  { namespace, layerId }: { readonly namespace: string; readonly layerId: string },
  sample: Sample,
  below: Uint8Array,
): Promise<Uint8Array | undefined> {
  const root = await reader.root(namespace, layerId);
  if (root === undefined) return undefined;
  const held = Uint8Array.from(below);
  const segments = new Map<number, Segment | undefined>();
  for (const [at, { chunk, fingerprint }] of sample.entries()) {
    if (chunk >= root.geometry.chunks) {
      held[at] = 0;
      continue;
    }
    const index = Math.floor(chunk / limits.segment_chunks);
    if (isNone(segmentIdAt(root, index))) continue;
    if (!segments.has(index)) segments.set(index, await reader.segment(namespace, segmentIdAt(root, index)));
    const segment = segments.get(index);
    if (segment === undefined) return undefined;
    const within = chunk % limits.segment_chunks;
    const state = segment.states[within];
    if (state !== ABSENT) held[at] = Number(state === DATA && sameDigest(segment.fingerprint(within), fingerprint));
  }
  return held;
}
