import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Geometry } from '../../core/chunk.ts';
import { DIGEST_BYTES, isNone, sha256, toHex } from '../../core/fingerprint.ts';
import { encodeRoot, type Root } from '../../core/format/root.ts';
import { encodeSegment, type Segment, segmentId } from '../../core/format/segment.ts';
import { syncFolder } from '../catalog/durable.ts';
import { SLOT_BYTES } from './slot.ts';

export const ROOT_FILE = 'root';
export const SEGMENTS_FILE = 'segments';

/** A manifest being made. Segments that are never put are absent. Not usable after `seal` or `discard`. */
export class ManifestDraft {
  readonly #store: string;
  readonly #folder: string;
  readonly #segments: FileHandle;
  readonly #root: Root;

  /** `folder` is a new one inside `store`. */
  constructor(store: string, folder: string, segments: FileHandle, geometry: Geometry, parent: Uint8Array) {
    this.#store = store;
    this.#folder = folder;
    this.#segments = segments;
    this.#root = { geometry, parent, segmentIds: Buffer.alloc(geometry.segments * DIGEST_BYTES) };
  }

  /** Writes a segment, or writes it anew; gives its id in hex. */
  async putSegment(index: number, segment: Segment): Promise<string> {
    const bytes = encodeSegment(segment);
    const id = segmentId(segment, bytes);
    if (!isNone(id)) await this.#segments.write(bytes, 0, bytes.length, index * SLOT_BYTES);
    this.#root.segmentIds.set(id, index * DIGEST_BYTES);
    return toHex(id);
  }

  /** Makes the manifest durable under its layer id. The same manifest sealed before is kept as it is. */
  async seal(): Promise<{ layerId: string; root: Root }> {
    const bytes = encodeRoot(this.#root);
    const layerId = toHex(sha256(bytes));
    await this.#segments.sync();
    await this.#segments.close();
    await writeDurably(join(this.#folder, ROOT_FILE), bytes);
    await syncFolder(this.#folder);
    try {
      await rename(this.#folder, join(this.#store, layerId));
    } catch (error) {
      if (!isTaken(error)) throw error;
      await rm(this.#folder, { recursive: true });
    }
    await syncFolder(this.#store);
    return { layerId, root: this.#root };
  }

  /** Removes all of it. */
  async discard(): Promise<void> {
    await this.#segments.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function isTaken(error: unknown): boolean {
  return ['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '');
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(bytes);
  await file.sync();
}
