import { join } from 'node:path';
import { type Files, ifThere, type OpenFile } from '../../core/files.ts';
import { isNone } from '../../core/fingerprint.ts';
import { type Root, segmentIdAt } from '../../core/format/root.ts';
import { DATA, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { writeDurably } from '../catalog/durable.ts';
import type { OneByOne } from '../flow/one-by-one.ts';

/**
 * A manifest's fingerprints in their order, so that a layer is found to hold a chunk without reading all of its manifest into
 * memory. A file covers so many chunks as a number of 20 bits counts; each entry has the fingerprint's first 44 bits and that
 * number. It is made from the manifest when it is first asked for, and is only a hint: whoever uses it compares the chunk.
 */
const PART_SEGMENTS = 2 ** 20 / limits.segment_chunks;
const ENTRY_BYTES = 8;
const BLOCK_ENTRIES = 2 ** 17;

/** A fingerprint that is looked for: its first 32 bits, the 12 after them, and its number among those that are. */
export interface Sought {
  readonly high: number;
  readonly low: number;
  readonly at: number;
}

/** Where the segments of manifests are read. */
interface Segments {
  segment(layerId: string, index: number): Promise<Segment>;
}

/** Where a manifest is. */
interface Place {
  readonly files: Files;
  readonly folder: string;
  readonly manifests: Segments;
  /** Of all sorted files of the store. */
  readonly making: OneByOne;
}

/** Ascending, as `findSorted` takes them. */
export function soughtOf(fingerprints: readonly Uint8Array[]): Sought[] {
  const sought = fingerprints.map((print, at) => {
    const view = Buffer.from(print.buffer, print.byteOffset, 6);
    return { high: view.readUInt32BE(0), low: view.readUInt16BE(4) >>> 4, at };
  });
  return sought.sort((a, b) => a.high - b.high || a.low - b.low);
}

/**
 * Tells, for each that is sought and that the layer may hold, the number of one of its chunks. Errors: those of the manifest store
 * and of files.
 */
export async function findSorted(
  place: Place,
  { layerId, root }: { layerId: string; root: Root },
  sought: readonly Sought[],
): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  for (let part = 0; part * PART_SEGMENTS < root.geometry.segments; part++) {
    const path = join(place.folder, `sorted-${part}`);
    const file = await openSorted(place, path, () => sortPart(place.manifests, layerId, root, part));
    try {
      await findInPart(file, sought, (at, number) => {
        if (!found.has(at)) found.set(at, part * PART_SEGMENTS * limits.segment_chunks + number);
      });
    } finally {
      await file.close();
    }
  }
  return found;
}

/** One is made at a time: that takes memory, and another may be about to make the same one. */
async function openSorted({ files, making }: Place, path: string, make: () => Promise<Uint8Array>): Promise<OpenFile> {
  const opened = () => ifThere(files.open(path, 'read'));
  const made = async () => {
    await writeDurably(files, path, await make());
    return files.open(path, 'read');
  };
  return (await opened()) ?? making.do(async () => (await opened()) ?? made());
}

/** As two words each, the lower one first: as one number of 64 bits they are in the order of fingerprints. */
async function sortPart(manifests: Segments, layerId: string, root: Root, part: number): Promise<Uint8Array> {
  const words: number[] = [];
  const first = part * PART_SEGMENTS;
  for (let index = first; index < Math.min(first + PART_SEGMENTS, root.geometry.segments); index++) {
    if (isNone(segmentIdAt(root, index))) continue;
    const segment = await manifests.segment(layerId, index);
    for (let chunk = 0; chunk < segment.chunks; chunk++) {
      if (segment.states[chunk] !== DATA) continue;
      const [{ high, low }] = soughtOf([segment.fingerprint(chunk)]) as [Sought];
      words.push(((low << 20) | ((index - first) * limits.segment_chunks + chunk)) >>> 0, high);
    }
  }
  const entries = new BigUint64Array(Uint32Array.from(words).buffer);
  entries.sort();
  return new Uint8Array(entries.buffer);
}

/** Reads the part from its beginning to its end, a block at a time. */
async function findInPart(
  file: OpenFile,
  sought: readonly Sought[],
  tell: (at: number, number: number) => void,
): Promise<void> {
  const block = new Uint32Array(2 * BLOCK_ENTRIES);
  const bytes = new Uint8Array(block.buffer);
  let next = 0;
  for (let offset = 0; next < sought.length; offset += bytes.length) {
    const count = Math.floor((await file.read(bytes, offset)) / ENTRY_BYTES);
    if (count === 0) return;
    const last = block[2 * count - 1]!;
    let at = next;
    for (; at < sought.length && sought[at]!.high <= last; at++) findInBlock(block, count, sought[at]!, tell);
    // Entries that begin alike may go on in the next block.
    while (next < at && sought[next]!.high < last) next++;
  }
}

function findInBlock(
  block: Uint32Array,
  count: number,
  { high, low, at }: Sought,
  tell: (at: number, n: number) => void,
) {
  let [from, to] = [0, count];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (block[2 * middle + 1]! < high) from = middle + 1;
    else to = middle;
  }
  for (; from < count && block[2 * from + 1] === high; from++) {
    const word = block[2 * from]!;
    if (word >>> 20 === low) tell(at, word & 0xf_ffff);
  }
}
