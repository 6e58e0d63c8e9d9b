import { DIGEST_BYTES, isHook, toHex } from '../../core/fingerprint.ts';
import type { FramePlace } from '../../core/format/placement.ts';
import type { ChunkPlace, PackContents } from '../packs/pack-contents.ts';

/** The batch's hooks, each once, in hex. */
export function hooksOf(batch: Buffer, sampling: number): string[] {
  const hooks = new Set<string>();
  for (let at = 0; at < batch.length; at += DIGEST_BYTES) {
    const fingerprint = batch.subarray(at, at + DIGEST_BYTES);
    if (isHook(fingerprint, sampling)) hooks.add(toHex(fingerprint));
  }
  return [...hooks];
}

/** The packs that rows name, most named first: what one batch shares with another lies together. */
export function packsNamed(rows: ReadonlyMap<string, string>): string[] {
  const counts = new Map<string, number>();
  for (const pack of rows.values()) counts.set(pack, (counts.get(pack) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([pack]) => pack);
}

/** Where each fingerprint of a batch lies, in the first of `packs` that has it. */
export function findAll(batch: Buffer, packs: readonly PackContents[]): (ChunkPlace | undefined)[] {
  return Array.from({ length: batch.length / DIGEST_BYTES }, (_, nth) => {
    for (const pack of packs) {
      const place = pack.find(batch, nth * DIGEST_BYTES);
      if (place !== undefined) return place;
    }
    return undefined;
  });
}

/** The frames that places name, each once, and each frame's number. */
export function framesOf(places: readonly (ChunkPlace | undefined)[]): Map<FramePlace, number> {
  const numbers = new Map<FramePlace, number>();
  for (const place of places) {
    if (place !== undefined && !numbers.has(place.frame)) numbers.set(place.frame, numbers.size);
  }
  return numbers;
}
