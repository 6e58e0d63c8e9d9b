import { LayerMoverError } from '../../core/errors.ts';
import type { Extent } from '../../core/extent.ts';
import type { Files } from '../../core/files.ts';
import type { Codec } from './codec.ts';
import type { Image } from './image.ts';
import type { DiskLayer } from './layer.ts';
import { append, extentsOf } from './mapping.ts';
import type { Piece } from './pieces.ts';

/** An image over the layers below it. */
export class ImageLayer implements DiskLayer {
  readonly path: string;
  readonly paths: readonly string[];
  readonly files: Files;
  readonly format: 'qcow2' | 'raw';
  readonly virtualBytes: number;
  readonly clusterBytes: number;
  readonly qcow2?: { readonly version: 2 | 3; readonly compression: Codec };
  readonly #image: Image;
  readonly #below: DiskLayer | undefined;

  constructor(image: Image, below: DiskLayer | undefined) {
    this.path = image.file.path;
    this.paths = image.paths;
    this.files = image.file.files;
    this.format = image.format;
    this.virtualBytes = image.virtualBytes;
    this.clusterBytes = image.clusterBytes;
    if (image.qcow2 !== undefined) this.qcow2 = image.qcow2;
    this.#image = image;
    this.#below = below;
  }

  extents(offset: number, length: number): AsyncIterable<Extent> {
    checkRange(this, offset, length);
    return extentsOf(this.#image.map(offset, length));
  }

  async pieces(offset: number, length: number): Promise<Piece[]> {
    checkRange(this, offset, length);
    const pieces: Piece[] = [];
    for await (const batch of this.#image.map(offset, length)) {
      for (const mapping of batch) {
        if (mapping.kind !== 'absent') append(pieces, mapping);
        else for (const piece of await piecesBelow(this.#below, mapping.at, mapping.length)) append(pieces, piece);
      }
    }
    return pieces;
  }
}

/** What shows through where a layer is absent: the layer `below`, and zeros beyond its end. */
export async function piecesBelow(below: DiskLayer | undefined, at: number, length: number): Promise<Piece[]> {
  const covered = Math.min(length, Math.max(0, (below?.virtualBytes ?? 0) - at));
  const pieces = below === undefined || covered === 0 ? [] : await below.pieces(at, covered);
  if (covered < length) append(pieces, { at: at + covered, length: length - covered, kind: 'zero' });
  return pieces;
}

/** Refuses (DISK_RANGE_INVALID) a range that is not within the disk. */
export function checkRange(disk: { path: string; virtualBytes: number }, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (whole && offset >= 0 && length >= 0 && offset + length <= disk.virtualBytes) return;
  throw new LayerMoverError('DISK_RANGE_INVALID', `bytes ${offset} + ${length} are not within ${disk.path}`, {
    data: { path: disk.path, offset, length, virtualBytes: disk.virtualBytes },
  });
}
