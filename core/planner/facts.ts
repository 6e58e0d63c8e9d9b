import type { Kind } from '../kinds.ts';

/** A share of 0 to 1, from so many of all there are: exact if those are the same. */
export interface Share {
  readonly value: number;
  readonly seen: number;
  readonly all: number;
}

/** What is known of a layer before it moves. */
export interface LayerFacts {
  readonly kind: Kind;
  /** The destination has it in its image folder. A top layer never counts as present. */
  readonly present: boolean;
  /** The namespace's store has all of it. */
  readonly stored: boolean;
  /** Raw bytes of its data chunks; of a layer that was not read, of the extents in which its file holds data. */
  readonly dataBytes: number;
  readonly chunkBytes: number;
  /** Its manifest is there: what it holds need not be read to be looked up. */
  readonly fingerprinted: boolean;
  /** Chunks that the index has, or will have by the time the layer's turn comes; undefined if nobody has looked. */
  readonly duplicates?: Share | undefined;
  /** Share of its chunks that the destination takes from base layers of its own, 0 to 1; 0 unless set. */
  readonly held?: number | undefined;
  /** What is left of its bytes after compression; undefined if nobody has tried. */
  readonly compressed?: Share | undefined;
  /** zstd's level at which it was tried: the one that the source's link leaves time for. */
  readonly level?: number | undefined;
  /** Bytes a second at which it compresses then, on all threads; undefined if nobody has measured it. */
  readonly compress?: number | undefined;
}

/** What is taken to be left of a layer's bytes after compression where nobody has tried. */
const ASSUMED_COMPRESSED = 0.5;

/** Nothing counts as a duplicate that nobody has looked up. */
export function duplicatesOf({ duplicates }: LayerFacts): number {
  return duplicates?.value ?? 0;
}

export function compressedOf({ compressed }: LayerFacts): number {
  return compressed?.value ?? ASSUMED_COMPRESSED;
}

/**
 * How far a sampled share may be off, either way, in 19 of 20 cases: twice the standard error of a sample that is not put
 * back (the normal approximation), and never less than one of the sampled would make. 0 if all were seen.
 */
export function uncertainty({ value, seen, all }: Share): number {
  if (seen >= all) return 0;
  if (seen === 0) return 1;
  const left = (all - seen) / Math.max(1, all - 1);
  return Math.min(1, Math.max(1 / seen, 2 * Math.sqrt(((value * (1 - value)) / seen) * left)));
}
