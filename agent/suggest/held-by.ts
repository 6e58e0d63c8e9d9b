import { sameDigest } from '../../core/fingerprint.ts';
import { Side } from '../compare/side.ts';
import type { NamedImage } from '../derive/derive.ts';
import { openChain } from '../disk/chain.ts';
import { fingerprintsOf, type Reading, type Sample, spansOf } from './sample.ts';

/** An image, and how many chunks of a sample it has in their places. */
export interface ImageMatch {
  readonly path: string;
  readonly folder: string;
  /** Layers of its chain. */
  readonly depth: number;
  readonly matched: number;
}

/**
 * Holds a sample of the disk at `flat` against images. One that lies on that disk is passed over (undefined).
 * Errors: those of openChain and of reading, the signal's reason.
 */
export async function matchImage(
  { path, folder }: NamedImage,
  flat: string,
  sample: Sample,
  reading: Reading,
): Promise<ImageMatch | undefined> {
  const chain = await openChain(path, { imageFolder: folder });
  try {
    if (chain.layers.some((layer) => layer.path === flat)) return undefined;
    return { path, folder, depth: chain.layers.length, matched: await heldBy(new Side(chain), sample, reading) };
  } finally {
    await chain.close();
  }
}

/** So few of a sample are tried first: a disk that has none of them is left at that. */
const FIRST = 64;

async function heldBy(side: Side, sample: Sample, reading: Reading): Promise<number> {
  const perRead = Math.floor(reading.pool.bufferBytes / reading.chunkBytes);
  let held = 0;
  for (let at = 0; at < sample.chunks.length; ) {
    const count = at === 0 ? Math.min(perRead, FIRST) : perRead;
    held += await heldOf(side, { ...sample, chunks: sample.chunks.slice(at, at + count) }, reading);
    at += count;
    if (held === 0) return 0;
  }
  return held;
}

/** Only the sample's chunks are read, one buffer full at the most. */
async function heldOf(side: Side, { chunks, geometry }: Sample, reading: Reading): Promise<number> {
  const wanted = new Map(chunks.map(({ chunk, fingerprint }) => [chunk, fingerprint]));
  const spans = await spansOf(side, geometry, wanted.keys());
  const read = spans.filter(({ pieces }) => pieces.some(({ kind }) => kind !== 'zero'));
  const found = await fingerprintsOf(read, reading);
  return found.filter(({ chunk, fingerprint }) => fingerprint && sameDigest(fingerprint, wanted.get(chunk)!)).length;
}
