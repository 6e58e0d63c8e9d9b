import { join } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { type Geometry, segmentLength } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { type Files, ifThere } from '../../core/files.ts';
import { fromHex, isNone, sameDigest, sha256 } from '../../core/fingerprint.ts';
import { decodeRoot, type Root, segmentIdAt } from '../../core/format/root.ts';
import { decodeSegment, Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { OneByOne } from '../flow/one-by-one.ts';
import { ManifestDraft, ROOT_FILE, SEGMENTS_FILE } from './draft.ts';
import { SLOT_BYTES, segmentBytesOf } from './slot.ts';
import { findSorted, type Sought } from './sorted.ts';

const DRAFT_PREFIX = 'draft-';

/**
 * Manifests of layers on this host's disk, a folder each, named by layer id. They are read segment by segment, each
 * checked against its id; nothing holds a whole manifest. Ids are hex.
 */
export class ManifestStore {
  readonly #dir: string;
  readonly #files: Files;
  /** Roots of the layers that tasks work on now: up to 2 MiB each. */
  readonly #roots = new Map<string, Root>();
  readonly #sorting = new OneByOne();

  constructor(dir: string, files: Files = systemFiles) {
    this.#dir = dir;
    this.#files = files;
  }

  /** Begins a manifest; `parent` is the id of the layer below, 32 zero bytes for a bottom layer. */
  async draft(geometry: Geometry, parent: Uint8Array): Promise<ManifestDraft> {
    const files = this.#files;
    await files.makeFolder(this.#dir);
    const folder = await files.makeTemporaryFolder(join(this.#dir, DRAFT_PREFIX));
    const segments = await files.open(join(folder, SEGMENTS_FILE), 'create').catch(async (error: unknown) => {
      await files.remove(folder);
      throw error;
    });
    return new ManifestDraft({ files, store: this.#dir, folder }, segments, geometry, parent);
  }

  /** The root's canonical bytes, unless there is no such manifest. Errors: MANIFEST_CORRUPT. */
  async rootBytes(layerId: string): Promise<Buffer | undefined> {
    const bytes = await ifThere(this.#files.readFile(join(this.#dir, layerId, ROOT_FILE)));
    if (bytes !== undefined && !sameDigest(sha256(bytes), fromHex(layerId))) throw corrupt(layerId, 'root');
    return bytes;
  }

  /** Errors: MANIFEST_CORRUPT. */
  async root(layerId: string): Promise<Root | undefined> {
    const known = this.#roots.get(layerId);
    if (known !== undefined) return known;
    const bytes = await this.rootBytes(layerId);
    if (bytes === undefined) return undefined;
    const root = decodeRoot(bytes);
    if (this.#roots.size >= limits.agent_tasks_max) this.#roots.delete(this.#roots.keys().next().value!);
    this.#roots.set(layerId, root);
    return root;
  }

  /** One segment of a manifest that is there. Errors: MANIFEST_UNKNOWN, MANIFEST_CORRUPT. */
  async segment(layerId: string, index: number): Promise<Segment> {
    const root = await this.root(layerId);
    if (root === undefined) throw unknown(layerId);
    const id = segmentIdAt(root, index);
    if (isNone(id)) return new Segment(segmentLength(root.geometry, index));
    const bytes = segmentBytesOf(await this.#slot(layerId, index));
    if (!sameDigest(sha256(bytes), id)) throw corrupt(layerId, `segment ${index}`, index * limits.segment_chunks);
    return decodeSegment(bytes);
  }

  /**
   * For each that is sought, the number of a chunk of the layer that may be it (sorted.ts). Nothing for a manifest that is not
   * here. Errors: MANIFEST_CORRUPT.
   */
  async find(layerId: string, sought: readonly Sought[]): Promise<Map<number, number>> {
    const root = await this.root(layerId);
    if (root === undefined) return new Map();
    const place = { files: this.#files, folder: join(this.#dir, layerId), manifests: this, making: this.#sorting };
    return findSorted(place, { layerId, root }, sought);
  }

  async remove(layerId: string): Promise<void> {
    this.#roots.delete(layerId);
    await this.#files.remove(join(this.#dir, layerId));
  }

  /** Removes what an earlier run left behind: drafts, and manifests of no layer that is known. Call it before any draft is begun. */
  async sweep(known: ReadonlySet<string>): Promise<void> {
    for (const { name } of await this.#files.list(this.#dir).catch(() => [])) {
      const path = join(this.#dir, name);
      if (known.has(name)) await this.#sweepIn(path);
      else await this.#files.remove(path);
    }
  }

  /** What was being made beside a manifest (sorted.ts) when the agent ended. */
  async #sweepIn(folder: string): Promise<void> {
    const left = (await this.#files.list(folder).catch(() => [])).filter(({ name }) => name.endsWith('.tmp'));
    for (const { name } of left) await this.#files.remove(join(folder, name));
    if (left.length > 0) await this.#files.syncFolder(folder);
  }

  /** Nothing of a file that is gone: that differs from any id. */
  async #slot(layerId: string, index: number): Promise<Uint8Array> {
    const file = await ifThere(this.#files.open(join(this.#dir, layerId, SEGMENTS_FILE), 'read'));
    if (file === undefined) return new Uint8Array();
    try {
      const slot = Buffer.alloc(SLOT_BYTES);
      return slot.subarray(0, await file.read(slot, index * SLOT_BYTES));
    } finally {
      await file.close();
    }
  }
}

/** `chunk`: the first of those that can't be known. */
function corrupt(layerId: string, part: string, chunk?: number): LayerMoverError {
  return new LayerMoverError('MANIFEST_CORRUPT', `the ${part} of manifest ${layerId} differs from its id`, {
    hint: 'the agent’s state folder lost or changed bytes; the layer is read again',
    data: { layerId, part, ...(chunk === undefined ? {} : { chunk }) },
  });
}

function unknown(layerId: string): LayerMoverError {
  return new LayerMoverError('MANIFEST_UNKNOWN', `there is no manifest of layer ${layerId} on this host`, {
    hint: 'register the layer first',
    data: { layerId },
  });
}
