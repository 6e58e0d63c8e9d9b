import { join } from 'node:path';
import { type Geometry, segmentLength } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files, OpenFile } from '../../core/files.ts';
import { DIGEST_BYTES, isNone, toHex } from '../../core/fingerprint.ts';
import { decodePlacement, encodePlacement } from '../../core/format/placement.ts';
import type { Root } from '../../core/format/root.ts';
import { decodeSegment, encodeSegment, type Segment, segmentId } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { SLOT_BYTES, segmentBytesOf } from '../manifests/slot.ts';
import { EarlierVersion, placesOf } from '../push/earlier.ts';
import type { OpenSegment } from '../push/open-segment.ts';
import type { KnownSegment, RoundBook } from '../push/round-book.ts';

const BLOCK_BYTES = 4096;
const LENGTH_BYTES = 4;
/** As of segments: one place for the largest placement there can be, of which a smaller one leaves the rest a hole. */
const PLACEMENT_SLOT_BYTES = Math.ceil((LENGTH_BYTES + limits.placement_bytes_max) / BLOCK_BYTES) * BLOCK_BYTES;

/**
 * What a running VM's top layer holds by the rounds up to now, and where that lies in the store. It is kept in files, so
 * that memory is bounded for a disk of any size, and is gone with the run of the agent: nothing of it is durable.
 */
export class LiveBook implements RoundBook {
  readonly #files: Files;
  readonly #folder: string;
  readonly #segments: OpenFile;
  readonly #placements: OpenFile;
  readonly #root: Root;
  /** Segments of which nobody knows that they are committed as they are here. */
  readonly #uncertain = new Set<number>();
  readonly #begun = new Set<number>();

  private constructor(files: Files, folder: string, of: { segments: OpenFile; placements: OpenFile; root: Root }) {
    this.#files = files;
    this.#folder = folder;
    this.#segments = of.segments;
    this.#placements = of.placements;
    this.#root = of.root;
  }

  /** An empty one, in a new folder whose path begins with `prefix`. `parent`: layer id of the layer below. */
  static async open(files: Files, prefix: string, geometry: Geometry, parent: Uint8Array): Promise<LiveBook> {
    const folder = await files.makeTemporaryFolder(prefix);
    const segments = await files.open(join(folder, 'segments'), 'create');
    const placements = await files.open(join(folder, 'placements'), 'create');
    const root = { geometry, parent, segmentIds: Buffer.alloc(geometry.segments * DIGEST_BYTES) };
    return new LiveBook(files, folder, { segments, placements, root });
  }

  async load(index: number): Promise<KnownSegment | undefined> {
    this.#begun.add(index);
    const id = this.#root.segmentIds.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    if (isNone(id)) return undefined;
    const content = await this.#segment(index, id);
    const places = placesOf(decodePlacement(await this.#placement(index)), this.#root.geometry.chunkBytes);
    const version = new EarlierVersion(toHex(id), content, places);
    // A copy: the version must stay as it is while the content changes.
    const open = decodeSegment(encodeSegment(content));
    return { content: open, version, committed: this.#uncertain.has(index) ? undefined : toHex(id) };
  }

  async save(open: OpenSegment): Promise<void> {
    const { segment, placement } = open.version();
    const bytes = encodeSegment(segment);
    const places = encodePlacement(placement);
    const slot = Buffer.alloc(LENGTH_BYTES + places.length);
    slot.writeUInt32LE(places.length);
    slot.set(places, LENGTH_BYTES);
    await this.#segments.write(bytes, open.index * SLOT_BYTES);
    await this.#placements.write(slot, open.index * PLACEMENT_SLOT_BYTES);
    this.#root.segmentIds.set(segmentId(segment, bytes), open.index * DIGEST_BYTES);
  }

  /** As of the last round. */
  root(): Root {
    return this.#root;
  }

  /** A round has ended. If it failed, what it had begun may be committed as it is here, or may not. */
  ended(outcome: 'well' | 'failed'): void {
    for (const index of this.#begun) {
      if (outcome === 'well') this.#uncertain.delete(index);
      else this.#uncertain.add(index);
    }
    this.#begun.clear();
  }

  /** Removes its files. */
  async remove(): Promise<void> {
    await this.#segments.close();
    await this.#placements.close();
    await this.#files.remove(this.#folder);
  }

  async #segment(index: number, id: Uint8Array): Promise<Segment> {
    const slot = Buffer.alloc(SLOT_BYTES);
    const bytes = segmentBytesOf(slot.subarray(0, await this.#segments.read(slot, index * SLOT_BYTES)));
    const segment = decodeSegment(bytes);
    const isSame = segmentId(segment, bytes).equals(id) && segment.chunks === segmentLength(this.#root.geometry, index);
    if (!isSame) throw damaged(index);
    return segment;
  }

  async #placement(index: number): Promise<Buffer> {
    const slot = Buffer.alloc(PLACEMENT_SLOT_BYTES);
    const held = await this.#placements.read(slot, index * PLACEMENT_SLOT_BYTES);
    const end = LENGTH_BYTES + slot.readUInt32LE();
    if (end > held) throw damaged(index);
    return slot.subarray(LENGTH_BYTES, end);
  }
}

function damaged(index: number): LayerMoverError {
  return new LayerMoverError('STATE_CORRUPT', `what the rounds before sent of segment ${index} can’t be read back`, {
    hint: 'the agent’s state folder lost or changed bytes; run the migration again',
    data: { segment: index },
  });
}
