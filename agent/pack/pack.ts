import { toHex } from '../../core/fingerprint.ts';
import {
  encodeFooter,
  encodeTrailer,
  type FooterChunk,
  type FooterFrame,
  packIdOf,
  TRAILER_BYTES,
} from '../../core/format/footer.ts';
import type { SealedFrame } from './frame-codec.ts';

/** A chunk of the layer that is being packed, by its number within its segment. */
export interface ChunkKey {
  readonly segment: number;
  readonly chunk: number;
}

/** Where it lies in its pack. */
export interface PackedChunk extends ChunkKey {
  /** Which of the pack's frames. */
  readonly frame: number;
  readonly rawOffset: number;
}

/** A finished pack: an object of `storedBytes` bytes, to be stored under its id. */
export interface Pack {
  /** Hex. */
  readonly id: string;
  readonly parts: Uint8Array[];
  readonly frames: readonly FooterFrame[];
  /** In the order in which they were added; chunks of equal content lie at one place. */
  readonly chunks: readonly PackedChunk[];
  readonly storedBytes: number;
}

/** Frames one after the other, their footer and the trailer (docs/FORMAT.md, pack). */
export function assemblePack(
  sealed: readonly SealedFrame[],
  chunksOfFrames: readonly (readonly FooterChunk[])[],
): Omit<Pack, 'chunks'> {
  let offset = 0;
  const frames = sealed.map(({ frameBytes, rawBytes, checksum }, at): FooterFrame => {
    const frame = { offset, frameBytes, rawBytes, chunks: chunksOfFrames[at]!.length, checksum };
    offset += frameBytes;
    return frame;
  });
  const footer = encodeFooter({ frames, chunks: chunksOfFrames.flat() });
  return {
    id: toHex(packIdOf(footer)),
    parts: [...sealed.flatMap((frame) => frame.parts), footer, encodeTrailer(footer.length)],
    frames,
    storedBytes: offset + footer.length + TRAILER_BYTES,
  };
}
