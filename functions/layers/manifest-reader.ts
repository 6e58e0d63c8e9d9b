import { hasCode } from '../../core/errors.ts';
import { fromHex, sameDigest, sha256, toHex } from '../../core/fingerprint.ts';
import { namespaceScope, type ObjectKind, objectKey } from '../../core/format/keys.ts';
import { decodeRoot, type Root } from '../../core/format/root.ts';
import { decodeSegment, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { ObjectReader } from '../../core/ports.ts';

/** Reads parts of manifests in namespaces' stores: so many objects at the most. */
export class ManifestReader {
  readonly #objects: ObjectReader;
  #left: number;

  constructor(objects: ObjectReader, readsMax: number) {
    this.#objects = objects;
    this.#left = readsMax;
  }

  /** The root of a layer; undefined if it is not there, is not sound, or may not be read any more. */
  root(namespace: string, layerId: string): Promise<Root | undefined> {
    return this.#read(namespace, 'layers', layerId, limits.root_bytes_max, decodeRoot);
  }

  /** A segment, as `root` does. */
  segment(namespace: string, id: Uint8Array): Promise<Segment | undefined> {
    return this.#read(namespace, 'segments', toHex(id), limits.segment_bytes_max, decodeSegment);
  }

  async #read<T>(
    namespace: string,
    kind: ObjectKind,
    id: string,
    bytesMax: number,
    decode: (bytes: Uint8Array) => T,
  ): Promise<T | undefined> {
    if (this.#left === 0) return undefined;
    this.#left--;
    try {
      const bytes = await this.#objects.get(objectKey(namespaceScope(namespace), kind, id), { bytesMax });
      return sameDigest(sha256(bytes), fromHex(id)) ? decode(bytes) : undefined;
    } catch (error) {
      if (hasCode(error, ...UNSOUND)) return undefined;
      throw error;
    }
  }
}

const UNSOUND = ['OBJECT_MISSING', 'OBJECT_TOO_LARGE', 'FORMAT_REFUSED', 'FORMAT_VERSION', 'GEOMETRY_REFUSED'];
