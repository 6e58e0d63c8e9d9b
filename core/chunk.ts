import { LayerMoverError } from './errors.ts';
import { limits } from './limits.ts';

/** How a disk is cut into chunks and chunks into segments. All numbers are exact integers below 2^53. */
export interface Geometry {
  readonly virtualBytes: number;
  readonly chunkBytes: number;
  readonly chunks: number;
  readonly segments: number;
}

/** The geometry of a disk. Refuses (GEOMETRY_REFUSED) what the formats don't allow. */
export function geometryOf(virtualBytes: number, chunkBytes: number): Geometry {
  const powerOfTwo = Number.isInteger(Math.log2(chunkBytes));
  if (!powerOfTwo || chunkBytes < limits.chunk_bytes_min || chunkBytes > limits.chunk_bytes_max) {
    throw new LayerMoverError('GEOMETRY_REFUSED', `a chunk size of ${chunkBytes} bytes is not allowed`, {
      hint: 'choose a power of two from 4096 to 4194304',
    });
  }
  const chunks = Math.ceil(virtualBytes / chunkBytes);
  const segments = Math.ceil(chunks / limits.segment_chunks);
  const tooLarge = virtualBytes > limits.disk_bytes_max || segments > limits.layer_segments_max;
  if (!Number.isSafeInteger(virtualBytes) || virtualBytes < 0 || tooLarge) {
    throw new LayerMoverError(
      'GEOMETRY_REFUSED',
      `a disk of ${virtualBytes} bytes in chunks of ${chunkBytes} is not allowed`,
      {
        hint: `disks may have up to ${limits.disk_bytes_max} bytes and ${limits.layer_segments_max * limits.segment_chunks} chunks`,
      },
    );
  }
  return { virtualBytes, chunkBytes, chunks, segments };
}

/** Bytes of a chunk: the last one of a disk is as long as what is left. */
export function chunkLength(g: Geometry, chunk: number): number {
  return Math.min(g.chunkBytes, g.virtualBytes - chunk * g.chunkBytes);
}

/** Number of chunks in a segment: the last one of a layer may hold fewer. */
export function segmentLength(g: Geometry, segment: number): number {
  return Math.min(limits.segment_chunks, g.chunks - segment * limits.segment_chunks);
}
