import { type Geometry, geometryOf } from '../chunk.ts';
import { DIGEST_BYTES, sha256 } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import { ByteReader, ByteWriter, refuse } from './bytes.ts';

const SHA256 = 1;

/** The top of a manifest. `parent` is the id of the layer below, 32 zero bytes for a bottom layer. */
export interface Root {
  readonly geometry: Geometry;
  readonly parent: Uint8Array;
  /** 32 bytes a segment, in order. */
  readonly segmentIds: Uint8Array;
}

export function segmentIdAt(root: Root, segment: number): Uint8Array {
  return root.segmentIds.subarray(segment * DIGEST_BYTES, (segment + 1) * DIGEST_BYTES);
}

/** The root's canonical bytes (docs/FORMAT.md, root). */
export function encodeRoot(root: Root): Buffer {
  const { geometry } = root;
  return new ByteWriter(56 + root.segmentIds.length)
    .header('LMRT')
    .u8(SHA256)
    .reserved(2)
    .u32(geometry.chunkBytes)
    .u32(geometry.segments)
    .u64(geometry.virtualBytes)
    .put(root.parent)
    .put(root.segmentIds).bytes;
}

/** Reads a root; refuses whatever is not canonical. */
export function decodeRoot(bytes: Uint8Array): Root {
  if (bytes.length > limits.root_bytes_max) throw refuse('root', `has ${bytes.length} bytes`);
  const reader = new ByteReader('root', bytes);
  reader.header('LMRT');
  if (reader.u8() !== SHA256) throw refuse('root', 'names an unknown fingerprint algorithm');
  reader.reserved(2);
  const chunkBytes = reader.u32();
  const segments = reader.u32();
  const geometry = geometryOf(reader.u64(), chunkBytes);
  if (geometry.segments !== segments)
    throw refuse('root', `holds ${segments} segments, its disk has ${geometry.segments}`);
  const parent = Buffer.from(reader.take(DIGEST_BYTES));
  const segmentIds = Buffer.from(reader.take(DIGEST_BYTES * segments));
  reader.end();
  return { geometry, parent, segmentIds };
}

/** The layer id: SHA-256 of the root. */
export function layerIdOf(root: Root): Buffer {
  return sha256(encodeRoot(root));
}
