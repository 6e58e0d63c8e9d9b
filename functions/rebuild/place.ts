import { toHex } from '../../core/fingerprint.ts';
import type { FramePlace, Placement, Run } from '../../core/format/placement.ts';
import { DATA, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { findAll } from '../fingerprints/answer-batch.ts';
import type { ChunkPlace, PackContents } from '../packs/pack-contents.ts';
import type { Page } from './page.ts';

/** Fingerprints of a segment's data chunks, in order, 32 bytes each. */
export function fingerprintsOf(segment: Segment): Buffer {
  const parts: Uint8Array[] = [];
  segment.states.forEach((state, chunk) => {
    if (state === DATA) parts.push(segment.fingerprint(chunk));
  });
  return Buffer.concat(parts);
}

/** The packs of the namespace that a placement names, in hex. */
export function packsOf({ frames }: Placement): string[] {
  return [...new Set(frames.filter(({ scope }) => scope === 'namespace').map(({ pack }) => toHex(pack)))];
}

/** What the packs hold, some at a time: however many a placement names, memory is bounded. */
async function* contentsOf(page: Page, packs: readonly string[]): AsyncGenerator<Map<string, PackContents>> {
  for (let at = 0; at < packs.length; at += limits.footer_reads_in_flight)
    yield await page.contentsOf(packs.slice(at, at + limits.footer_reads_in_flight));
}

/** True if the placement names each data chunk of the segment, and nothing else, where sound packs' footers have it. */
export async function placesAll(page: Page, placement: Placement, segment: Segment): Promise<boolean> {
  const runs = Map.groupBy(placement.runs, ({ frame }) => toHex(placement.frames[frame]!.pack));
  let placed = 0;
  for await (const contents of contentsOf(page, packsOf(placement))) {
    for (const [pack, content] of contents) {
      for (const run of runs.get(pack) ?? []) {
        if (!isRight(run, placement.frames[run.frame]!, segment, content)) return false;
        placed += run.count;
      }
    }
  }
  return placed === segment.count(DATA);
}

function isRight({ chunk, count, rawOffset }: Run, frame: FramePlace, segment: Segment, pack: PackContents): boolean {
  if (frame.scope !== 'namespace') return false;
  // All chunks of a run but its last one are as long as the first.
  let chunkBytes = 0;
  for (let at = 0; at < count; at++) {
    if (segment.states[chunk + at] !== DATA) return false;
    const place = pack.find(Buffer.from(segment.fingerprint(chunk + at)), 0);
    if (place?.rawOffset !== rawOffset + at * chunkBytes || !isSame(place.frame, frame)) return false;
    chunkBytes ||= place.length;
  }
  return true;
}

function isSame(a: FramePlace, b: FramePlace): boolean {
  return a.offset === b.offset && a.frameBytes === b.frameBytes && a.rawBytes === b.rawBytes;
}

/** Where each of the fingerprints lies, as far as the packs have them. */
export async function findIn(page: Page, fingerprints: Buffer, packs: readonly string[]) {
  let places = findAll(fingerprints, []);
  for await (const contents of contentsOf(page, packs)) {
    const more = findAll(fingerprints, [...contents.values()]);
    places = places.map((place, at) => place ?? more[at]);
    if (!places.includes(undefined)) break;
  }
  return places;
}

/** The placement of a segment whose data chunks lie at `places`, in order. */
export function placementOf(segment: Segment, places: readonly ChunkPlace[]): Placement {
  const numbers = new Map<FramePlace, number>();
  const runs: Run[] = [];
  let end: Omit<Run, 'count'> | undefined;
  let next = 0;
  segment.states.forEach((state, chunk) => {
    if (state !== DATA) return;
    const { frame: place, rawOffset, length } = places[next++]!;
    const frame = numbers.get(place) ?? numbers.size;
    numbers.set(place, frame);
    const last = runs.at(-1);
    const follows = end?.chunk === chunk && end.frame === frame && end.rawOffset === rawOffset;
    if (last !== undefined && follows) runs[runs.length - 1] = { ...last, count: last.count + 1 };
    else runs.push({ chunk, count: 1, frame, rawOffset });
    end = { chunk: chunk + 1, frame, rawOffset: rawOffset + length };
  });
  return { frames: [...numbers.keys()], runs };
}
