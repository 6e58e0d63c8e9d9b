import { systemReadAt } from '../../adapters/system/read-at.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { ReadAt } from '../../core/files.ts';
import { type Codec, decompressCluster } from './codec.ts';

/**
 * Where the bytes [at, at + length) of a guest address space are. Plain data that can be posted to a worker thread:
 * file descriptors are shared by all threads of the process.
 */
export type Piece = ZeroPiece | FilePiece | CompressedPiece | FilledPiece;

export interface ZeroPiece {
  at: number;
  length: number;
  kind: 'zero';
}

/** Plain bytes of a host file from `offset` on; what lies past its end is zeros. */
export interface FilePiece {
  at: number;
  length: number;
  kind: 'file';
  fd: number;
  offset: number;
}

/** A part of one compressed cluster: `stored` bytes at `offset` give `clusterBytes`, of which `skip` come before the part. */
export interface CompressedPiece {
  at: number;
  length: number;
  kind: 'compressed';
  fd: number;
  offset: number;
  stored: number;
  codec: Codec;
  skip: number;
  clusterBytes: number;
}

/** Bytes that whoever reads has put where they belong by then: no thread can get at them by itself. */
export interface FilledPiece {
  at: number;
  length: number;
  kind: 'filled';
}

/**
 * Reads what `pieces` say of the guest range that starts at `base` into `into`; synchronous, for worker threads.
 * Pieces may reach beyond the range, bytes that no piece covers stay as they are.
 * Errors: DISK_IO_FAILED, CLUSTER_CORRUPT.
 */
export function readPieces(
  pieces: readonly Piece[],
  base: number,
  into: Uint8Array,
  readAt: ReadAt = systemReadAt,
): void {
  for (const piece of pieces) {
    const from = Math.max(piece.at, base);
    const to = Math.min(piece.at + piece.length, base + into.length);
    if (from < to) readPart(readAt, piece, from - piece.at, into.subarray(from - base, to - base));
  }
}

function readPart(readAt: ReadAt, piece: Piece, skip: number, into: Uint8Array): void {
  if (piece.kind === 'filled') return;
  if (piece.kind === 'zero') {
    into.fill(0);
  } else if (piece.kind === 'file') {
    into.fill(0, readStored(readAt, piece.fd, piece.offset + skip, into));
  } else {
    const stored = Buffer.allocUnsafe(piece.stored);
    const held = readStored(readAt, piece.fd, piece.offset, stored);
    const plain = decompressCluster(piece.codec, stored.subarray(0, held), piece.clusterBytes);
    into.set(plain.subarray(piece.skip + skip, piece.skip + skip + into.length));
  }
}

/** Bytes read; fewer than asked for at the end of the file. */
function readStored(readAt: ReadAt, fd: number, offset: number, into: Uint8Array): number {
  try {
    return readAt(fd, into, offset);
  } catch (cause) {
    throw new LayerMoverError('DISK_IO_FAILED', `could not read an image at byte ${offset}`, {
      hint: 'look into the kernel log for this device',
      data: { offset },
      cause,
    });
  }
}
