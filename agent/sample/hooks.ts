import { DIGEST_BYTES, isHook, isNone } from '../../core/fingerprint.ts';
import { segmentIdAt } from '../../core/format/root.ts';
import { DATA, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { ManifestStore } from '../manifests/store.ts';

/** Fingerprints that may have index rows, and how many there are in all: exactly, or extrapolated. */
export interface Hooks {
  readonly fingerprints: readonly Uint8Array[];
  readonly all: number;
}

/** At the rate that deployments have unless they are told otherwise. Where it is another, some of these are no hooks, or not all are here. */
export function mayBeHook(fingerprint: Uint8Array): boolean {
  return isHook(fingerprint, limits.index_sampling_default);
}

/** The hooks of a layer whose manifest is here, from segments that lie evenly in it. Errors: MANIFEST_CORRUPT. */
export async function hooksOfManifest(manifests: ManifestStore, layerId: string): Promise<Hooks | undefined> {
  const root = await manifests.root(layerId);
  if (root === undefined) return undefined;
  const held: number[] = [];
  for (let index = 0; index < root.geometry.segments; index++) if (!isNone(segmentIdAt(root, index))) held.push(index);
  const chosen = evenly(held, limits.survey_segments_max);
  const fingerprints: Uint8Array[] = [];
  for (const index of chosen) fingerprints.push(...hooksIn(await manifests.segment(layerId, index)));
  const all = Math.round((fingerprints.length * held.length) / Math.max(1, chosen.length));
  return { fingerprints: evenly(fingerprints, limits.survey_hooks_max), all };
}

function hooksIn({ states, fingerprints, chunks }: Segment): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let chunk = 0; chunk < chunks; chunk++) {
    if (states[chunk] !== DATA) continue;
    const fingerprint = fingerprints.subarray(chunk * DIGEST_BYTES, (chunk + 1) * DIGEST_BYTES);
    if (mayBeHook(fingerprint)) found.push(Buffer.from(fingerprint));
  }
  return found;
}

/** So many of these at the most, evenly, in their order. */
export function evenly<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, at) => items[Math.floor((at * items.length) / most)]!);
}

/** Thins out lists to so many items in all: long ones give first. */
export function thinned<T>(lists: readonly (readonly T[])[], most: number): T[][] {
  const shortestFirst = lists.map((list, at) => ({ list, at })).sort((a, b) => a.list.length - b.list.length);
  const left: T[][] = lists.map(() => []);
  let room = most;
  shortestFirst.forEach(({ list, at }, done) => {
    left[at] = evenly(list, Math.floor(room / (lists.length - done)));
    room -= left[at].length;
  });
  return left;
}
