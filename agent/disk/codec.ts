import { inflateRawSync, zstdDecompressSync } from 'node:zlib';
import { LayerMoverError } from '../../core/errors.ts';

/** How a qcow2 image compresses clusters; an image uses one of them throughout. */
export type Codec = 'deflate' | 'zstd';

/**
 * One compressed cluster as its `clusterBytes` plain bytes. `stored` is rounded up to sectors, so it may end in
 * bytes that belong to other clusters. Output is bounded by `clusterBytes`; anything but exactly that many bytes
 * is refused (CLUSTER_CORRUPT).
 * Source: qcow2 specification, "Compressed Clusters Descriptor".
 */
export function decompressCluster(codec: Codec, stored: Uint8Array, clusterBytes: number): Buffer {
  let plain: Buffer;
  try {
    // Room beyond the cluster, so that node sees the stream end in its first pass and doesn't take what follows for more.
    const options = { maxOutputLength: clusterBytes, chunkSize: clusterBytes + 64 };
    plain = codec === 'deflate' ? inflateRawSync(stored, options) : zstdDecompressSync(stored, options);
  } catch (cause) {
    throw corrupt(`does not decompress (${codec})`, cause);
  }
  if (plain.length !== clusterBytes) throw corrupt(`holds ${plain.length} bytes of ${clusterBytes}`);
  return plain;
}

function corrupt(what: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('CLUSTER_CORRUPT', `a compressed cluster ${what}`, {
    hint: 'run qemu-img check on the image; restore it from a copy if it is damaged',
    cause,
  });
}
