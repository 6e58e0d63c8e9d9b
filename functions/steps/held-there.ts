import pLimit from 'p-limit';
import { DIGEST_BYTES, isHook, isNone, toHex } from '../../core/fingerprint.ts';
import { segmentIdAt } from '../../core/format/root.ts';
import { DATA, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { ManifestReader } from '../layers/manifest-reader.ts';
import type { StepDeps } from './deps.ts';

/**
 * Hooks of the base layers that the destination holds, in hex, from their manifests in the namespace's store: `plan_reads_max` objects at
 * the most. What is not in the store, or not read any more, it holds all the same: then it fetches less than was thought.
 */
export async function hooksHeldThere(
  { layers, objects, sampling }: Pick<StepDeps, 'layers' | 'objects' | 'sampling'>,
  { namespace, to, chunkBytes }: Pick<MigrationRecord, 'namespace' | 'to' | 'chunkBytes'>,
): Promise<Set<string>> {
  const stored = await layers.list(namespace, limits.page_items_max);
  const ids = stored.filter((layer) => layer.chunkBytes === chunkBytes).map(({ layerId }) => layerId);
  const reader = new ManifestReader(objects, limits.plan_reads_max);
  const found = new Set<string>();
  for (const layerId of await layers.present(namespace, to, ids)) {
    const root = await reader.root(namespace, layerId);
    if (root === undefined) continue;
    const segments = Array.from({ length: root.geometry.segments }, (_, index) => segmentIdAt(root, index));
    await pLimit(limits.queries_in_flight).map(
      segments.filter((id) => !isNone(id)),
      async (id) => {
        const segment = await reader.segment(namespace, id);
        for (const hook of segment === undefined ? [] : hooksIn(segment, sampling)) found.add(hook);
      },
    );
  }
  return found;
}

function* hooksIn({ states, fingerprints, chunks }: Segment, sampling: number): Generator<string> {
  for (let chunk = 0; chunk < chunks; chunk++) {
    if (states[chunk] !== DATA) continue;
    const fingerprint = fingerprints.subarray(chunk * DIGEST_BYTES, (chunk + 1) * DIGEST_BYTES);
    if (isHook(fingerprint, sampling)) yield toHex(fingerprint);
  }
}
