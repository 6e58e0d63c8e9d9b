import type { FooterFrame } from '../../core/format/footer.ts';

/** A chunk of the layer that is being packed, by its number within its segment. */
export interface ChunkKey {
  readonly segment: number;
  readonly chunk: number;
}

/** Where a chunk lies in its pack. */
export interface ChunkPlace {
  /** Which of the pack's frames. */
  readonly frame: number;
  readonly rawOffset: number;
}

export type PackedChunk = ChunkKey & ChunkPlace;

/** A finished pack: an object of `storedBytes` bytes, to be stored under its id. */
export interface Pack {
  /** Hex. */
  readonly id: string;
  readonly parts: readonly Uint8Array[];
  readonly frames: readonly FooterFrame[];
  /** In the order in which they were added; chunks of equal content lie at one place. */
  readonly chunks: readonly PackedChunk[];
  /** Where the chunk of a fingerprint (hex) lies. */
  readonly places: ReadonlyMap<string, ChunkPlace>;
  readonly storedBytes: number;
}
