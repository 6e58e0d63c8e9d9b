import { join } from 'node:path';
import { type Geometry, segmentLength } from '../../core/chunk.ts';
import { type Files, isRefusedWith, type OpenFile } from '../../core/files.ts';
import { DIGEST_BYTES, isNone, sha256, toHex } from '../../core/fingerprint.ts';
import { encodeRoot, layerIdOf, type Root, segmentIdAt } from '../../core/format/root.ts';
import { decodeSegment, encodeSegment, Segment, segmentId } from '../../core/format/segment.ts';
import { SLOT_BYTES, segmentBytesOf } from './slot.ts';

export const ROOT_FILE = 'root';
export const SEGMENTS_FILE = 'segments';

/** A manifest being made. Segments that are never put are absent. Not usable after `seal` or `discard`. */
export class ManifestDraft {
  readonly #files: Files;
  readonly #store: string;
  readonly #folder: string;
  readonly #segments: OpenFile;
  readonly #root: Root;

  /** `folder` is a new one inside `store`. */
  constructor(
    place: { files: Files; store: string; folder: string },
    segments: OpenFile,
    geometry: Geometry,
    parent: Uint8Array,
  ) {
    this.#files = place.files;
    this.#store = place.store;
    this.#folder = place.folder;
    this.#segments = segments;
    this.#root = { geometry, parent, segmentIds: Buffer.alloc(geometry.segments * DIGEST_BYTES) };
  }

  /** Writes a segment, or writes it anew; gives its id in hex. */
  async putSegment(index: number, segment: Segment): Promise<string> {
    const bytes = encodeSegment(segment);
    const id = segmentId(segment, bytes);
    if (!isNone(id)) await this.#segments.write(bytes, index * SLOT_BYTES);
    this.#root.segmentIds.set(id, index * DIGEST_BYTES);
    return toHex(id);
  }

  /** A segment as it was put last, or one of absent chunks alone. */
  async segment(index: number): Promise<Segment> {
    const { geometry } = this.#root;
    if (isNone(segmentIdAt(this.#root, index))) return new Segment(segmentLength(geometry, index));
    const slot = Buffer.alloc(SLOT_BYTES);
    return decodeSegment(segmentBytesOf(slot.subarray(0, await this.#segments.read(slot, index * SLOT_BYTES))));
  }

  /** The id of the layer of all that was put. */
  get layerId(): Buffer {
    return layerIdOf(this.#root);
  }

  /** Makes the manifest durable under its layer id. The same manifest sealed before is kept as it is. */
  async seal(): Promise<{ layerId: string; root: Root }> {
    const bytes = encodeRoot(this.#root);
    const layerId = toHex(sha256(bytes));
    await this.#segments.sync();
    await this.#segments.close();
    await this.#writeRoot(bytes);
    await this.#files.syncFolder(this.#folder);
    try {
      await this.#files.rename(this.#folder, join(this.#store, layerId));
    } catch (error) {
      if (!isRefusedWith(error, 'ENOTEMPTY', 'EEXIST')) throw error;
      await this.#files.remove(this.#folder);
    }
    await this.#files.syncFolder(this.#store);
    return { layerId, root: this.#root };
  }

  /** Removes all of it. */
  async discard(): Promise<void> {
    await this.#segments.close();
    await this.#files.remove(this.#folder);
  }

  async #writeRoot(bytes: Uint8Array): Promise<void> {
    const file = await this.#files.open(join(this.#folder, ROOT_FILE), 'create');
    try {
      await file.write(bytes, 0);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}
