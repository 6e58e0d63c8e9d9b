/**
 * What a layer says of a range of its guest address space. The three differ all the way: *absent* lets the layer
 * below show through, *zero* hides it with zeros, *data* hides it with bytes.
 */
export type ChunkState = 'absent' | 'zero' | 'data';

/** A range of guest bytes of one state. */
export interface Extent {
  /** Bytes from the start of the disk. */
  readonly offset: number;
  /** Bytes, above 0. */
  readonly length: number;
  readonly state: ChunkState;
}
