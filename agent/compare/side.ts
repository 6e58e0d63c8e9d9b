import { piecesBelow } from '../disk/image-layer.ts';
import type { Chain, DiskLayer } from '../disk/layer.ts';
import type { Piece } from '../disk/pieces.ts';

/** A disk as its guest sees it, through all of its layers. Beyond its end it reads as zeros. */
export class Side {
  readonly layer: DiskLayer;
  readonly #files: ReadonlyMap<number, string>;

  constructor({ layers, files }: Pick<Chain, 'layers' | 'files'>) {
    this.layer = layers.at(-1)!;
    this.#files = files;
  }

  /** Where the bytes of a range are, ascending, the range covered. Errors: QCOW2_INVALID, DISK_IO_FAILED. */
  pieces(offset: number, length: number): Promise<Piece[]> {
    return piecesBelow(this.layer, offset, length);
  }

  /** Names the stored bytes that guest byte `at` of a piece comes from: equal names are equal bytes from there on. */
  sourceOf(piece: Piece, at: number): string {
    if (piece.kind === 'zero') return 'zero';
    if (piece.kind === 'filled') return `filled ${this.layer.path} ${at}`;
    const file = this.#files.get(piece.fd);
    const into = at - piece.at;
    if (piece.kind === 'file') return `${file} ${piece.offset + into}`;
    return `${file} ${piece.offset} ${piece.stored} ${piece.codec} ${piece.clusterBytes} ${piece.skip + into}`;
  }
}
