import type { Zstd } from '../../adapters/system/zstd.ts';

const PIECES = 64;
const PIECE_BYTES = 4096;
const SAMPLE_BYTES = PIECES * PIECE_BYTES;
/** Of a frame that shrinks by more than this share a sample shrinks, too, but for bad luck. */
const SHRINKS_BY = 1 / 128;

/**
 * Whether compressing these bytes may be worth it, from pieces that lie evenly in them: of media and encrypted files
 * all pieces stay as long as they are, and a third of the time that sending them takes is saved. What is small is not sampled.
 */
export async function mayShrink(raw: Uint8Array, zstd: Zstd): Promise<boolean> {
  if (raw.length < 4 * SAMPLE_BYTES) return true;
  const sample = Buffer.allocUnsafe(SAMPLE_BYTES);
  const step = Math.floor((raw.length - PIECE_BYTES) / (PIECES - 1));
  for (let piece = 0; piece < PIECES; piece++) {
    sample.set(raw.subarray(piece * step, piece * step + PIECE_BYTES), piece * PIECE_BYTES);
  }
  const shrunk = await zstd.compress(sample, { level: 1, windowLog: Math.log2(SAMPLE_BYTES) });
  return shrunk.length < SAMPLE_BYTES * (1 - SHRINKS_BY);
}
