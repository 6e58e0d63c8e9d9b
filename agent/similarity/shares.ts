import { DIGEST_BYTES } from '../../core/fingerprint.ts';
import { DATA } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { ManifestStore } from '../manifests/store.ts';

/** Counts of data chunks; layers by their numbers. */
export interface Shares {
  /** held[a][b]: chunks of layer a whose content layer b has anywhere. held[a][a] is all of a's. */
  readonly held: readonly (readonly number[])[];
  /** Chunks of each layer whose content any other layer has. */
  readonly elsewhere: readonly number[];
  /** Different contents over all layers. */
  readonly distinct: number;
}

export interface SharesJob {
  /** Hex; their manifests are in `manifests`. */
  readonly layerIds: readonly string[];
  /** Data chunks of all of them. */
  readonly chunks: number;
  readonly manifests: ManifestStore;
  readonly signal: AbortSignal;
  /** Different chunks in memory at a time; `similarity_chunks_in_memory` unless set. */
  readonly inMemory?: number;
}

/**
 * Which layers have whose chunks. Fingerprints are spread evenly, so each pass over the manifests takes its share of them:
 * no pass has more than about `similarity_chunks_in_memory` in memory, however large the layers are.
 * Errors: those of ManifestStore.segment, the signal's reason.
 */
export async function countShares(job: SharesJob): Promise<Shares> {
  const passes = Math.max(1, Math.ceil(job.chunks / (job.inMemory ?? limits.similarity_chunks_in_memory)));
  const tallies = job.layerIds.map(() => new Map<number, number>());
  let distinct = 0;
  for (let pass = 0; pass < passes; pass++) {
    const owners = new Map<number, number>();
    for (const layer of job.layerIds.keys()) {
      for await (const keys of keysOf(job, layer, pass, passes))
        for (const key of keys) owners.set(key, ((owners.get(key) ?? 0) | (1 << layer)) >>> 0);
    }
    for (const [layer, tally] of tallies.entries()) {
      for await (const keys of keysOf(job, layer, pass, passes)) {
        for (const key of keys) {
          const who = owners.get(key)!;
          tally.set(who, (tally.get(who) ?? 0) + 1);
        }
      }
    }
    distinct += owners.size;
  }
  const sum = (tally: ReadonlyMap<number, number>, counts: (owners: number) => boolean) =>
    [...tally].reduce((all, [owners, count]) => all + (counts(owners) ? count : 0), 0);
  return {
    held: tallies.map((tally) => tallies.map((_, other) => sum(tally, (owners) => (owners >>> other) % 2 === 1))),
    elsewhere: tallies.map((tally, layer) => sum(tally, (owners) => owners !== (1 << layer) >>> 0)),
    distinct,
  };
}

/**
 * A layer's data chunks of one pass, segment by segment, as 52 bits of their fingerprints: in one pass of 9,000 two
 * contents look alike, and one chunk is counted wrong.
 */
async function* keysOf(job: SharesJob, layer: number, pass: number, passes: number): AsyncGenerator<number[]> {
  const { manifests, signal } = job;
  const layerId = job.layerIds[layer]!;
  const { geometry } = (await manifests.root(layerId))!;
  for (let index = 0; index < geometry.segments; index++) {
    signal.throwIfAborted();
    const { states, fingerprints } = await manifests.segment(layerId, index);
    const view = new DataView(fingerprints.buffer, fingerprints.byteOffset);
    const keys: number[] = [];
    states.forEach((state, chunk) => {
      const at = chunk * DIGEST_BYTES;
      if (state !== DATA || Math.floor((view.getUint16(at) * passes) / 0x1_0000) !== pass) return;
      keys.push(view.getUint32(at + 2) * 0x10_0000 + (view.getUint32(at + 6) >>> 12));
    });
    yield keys;
  }
}
