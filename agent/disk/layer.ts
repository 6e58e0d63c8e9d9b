import type { Extent } from '../../core/extent.ts';
import type { Files } from '../../core/files.ts';
import type { Codec } from './codec.ts';
import type { Piece } from './pieces.ts';

/** One image of a chain, open for reading. All offsets and lengths are bytes of the guest's disk. */
export interface DiskLayer {
  readonly path: string;
  /** All files it consists of: its image, then the one that has its data if that is another. */
  readonly paths: readonly string[];
  /** The file system that it lies on. */
  readonly files: Files;
  readonly format: 'qcow2' | 'raw';
  readonly virtualBytes: number;
  readonly clusterBytes: number;
  readonly qcow2?: { readonly version: 2 | 3; readonly compression: Codec };
  /**
   * What this layer's own file holds of the range: ascending, neighbours differ, the range covered exactly. All of a
   * raw file is data. Errors: DISK_RANGE_INVALID, QCOW2_INVALID, DISK_IO_FAILED.
   */
  extents(offset: number, length: number): AsyncIterable<Extent>;
  /**
   * Where the guest-visible bytes of the range are, through the chain below: ascending, the range covered exactly. A
   * layer that ends before its overlay is followed by zeros. Errors as above.
   */
  pieces(offset: number, length: number): Promise<Piece[]>;
}

/** The images of a disk, open for reading. Their file descriptors, which pieces name, are valid until `close`. */
export interface Chain {
  /** Bottom first. */
  readonly layers: readonly DiskLayer[];
  /** Which file each of the descriptors is (device and inode): the same in every chain that has it open. */
  readonly files: ReadonlyMap<number, string>;
  close(): Promise<void>;
}
