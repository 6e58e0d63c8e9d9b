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

/** Where each fingerprint of a batch lies, if any of `packs` has it. What follows a chunk mostly lies in the same pack. */
export function findAll(batch: Buffer, packs: readonly PackContents[]): (ChunkPlace | undefined)[] {
  const places: (ChunkPlace | undefined)[] = [];
  const order = [...packs];
  for (let at = 0; at < batch.length; at += DIGEST_BYTES) {
    let place: ChunkPlace | undefined;
    for (let nth = 0; nth < order.length && place === undefined; nth++) {
      place = order[nth]!.find(batch, at);
      if (place !== undefined && nth > 0) order.unshift(...order.splice(nth, 1));
    }
    places.push(place);
  }
  return places;
}

/** The frames that places name, each once, and each frame's number. */
export function framesOf(places: readonly (ChunkPlace | undefined)[]): Map<FramePlace, number> {
  const numbers = new Map<FramePlace, number>();
  for (const place of places) {
    if (place !== undefined && !numbers.has(place.frame)) numbers.set(place.frame, numbers.size);
  }
  return numbers;
}
