import { type Geometry, segmentLength } from '../../core/chunk.ts';
import { MEND_HINT } from '../../core/damage.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { DIGEST_BYTES, fromHex, isNone, sameDigest, sha256, toHex } from '../../core/fingerprint.ts';
import { ABSENT, DATA, decodeSegment, Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { ManifestDraft } from '../manifests/draft.ts';
import { fetchNamed } from './absent.ts';
import type { WatchedSource } from './watched-source.ts';

/**
 * Which version of each segment the disk has. Only ids are kept, 32 bytes a segment; the content of a version that is
 * compared with is one of the few used last, or is fetched again: it is stored under its id.
 */
export class Versions {
  readonly #name: string;
  readonly #geometry: Geometry;
  readonly #source: WatchedSource;
  readonly #kept: ManifestDraft | undefined;
  readonly #ids: Buffer;
  readonly #recent = new Map<string, Segment>();

  /** Each version that is taken is put into `kept`. */
  constructor(name: string, geometry: Geometry, source: WatchedSource, kept?: ManifestDraft) {
    this.#name = name;
    this.#geometry = geometry;
    this.#source = source;
    this.#kept = kept;
    this.#ids = Buffer.alloc(geometry.segments * DIGEST_BYTES);
  }

  /** All ids, 32 bytes a segment, in order: what the root's must equal in the end. */
  get ids(): Uint8Array {
    return this.#ids;
  }

  /** True if that is the segment's version already, or holds nothing. */
  has(index: number, id: string): boolean {
    const wanted = fromHex(id);
    return isNone(wanted) || sameDigest(this.#slot(index), wanted);
  }

  /**
   * Takes `id` as the segment's version and tells what it adds to the one before: undefined if that has all of it.
   * A chunk that is absent now and was there before stays: an earlier attempt of the source was further.
   * Errors: MANIFEST_CORRUPT, those of the draft.
   */
  async advance(index: number, id: string): Promise<{ segment: Segment; before: Segment } | undefined> {
    if (index >= this.#geometry.segments) throw corrupt(this.#name, `segment ${index} is past the disk’s end`);
    if (this.has(index, id)) return undefined;
    const slot = this.#slot(index);
    const segment = await this.#load(index, id);
    const before = isNone(slot) ? new Segment(segment.chunks) : await this.#load(index, toHex(slot));
    if (!adds(before, segment)) return undefined;
    await this.#kept?.putSegment(index, segment);
    slot.set(fromHex(id));
    return { segment, before };
  }

  #slot(index: number): Uint8Array {
    return this.#ids.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  }

  async #load(index: number, id: string): Promise<Segment> {
    const of = { layer: this.#name, geometry: this.#geometry, index, id };
    const segment = this.#recent.get(id) ?? (await this.#fetch(of));
    this.#recent.delete(id);
    this.#recent.set(id, segment);
    if (this.#recent.size > limits.segments_cached) this.#recent.delete(this.#recent.keys().next().value!);
    return segment;
  }

  #fetch(of: VersionOf): Promise<Segment> {
    const named = { what: 'segment', layer: of.layer, chunk: of.index * limits.segment_chunks } as const;
    return fetchNamed(named, () => this.#source.segment(of.id, (bytes) => openSegment(bytes, of)));
  }
}

/** A version of a layer's segment, by its id in hex. */
interface VersionOf {
  readonly layer: string;
  readonly geometry: Geometry;
  readonly index: number;
  readonly id: string;
}

/** Reads a version of a layer's segment, proven by its id (hex). Errors: MANIFEST_CORRUPT, FORMAT_REFUSED, FORMAT_VERSION. */
export function openSegment(bytes: Uint8Array, { layer, geometry, index, id }: VersionOf): Segment {
  const chunk = index * limits.segment_chunks;
  if (toHex(sha256(bytes)) !== id) throw corrupt(layer, `segment ${index} differs from its id`, chunk);
  const segment = decodeSegment(bytes);
  if (segment.chunks === segmentLength(geometry, index)) return segment;
  throw corrupt(layer, `segment ${index} has ${segment.chunks} chunks`, chunk);
}

/** True if `chunk` of `after` is there and is not what it was. */
export function differs(before: Segment, after: Segment, chunk: number): boolean {
  const state = after.states[chunk];
  if (state === ABSENT) return false;
  if (state !== before.states[chunk]) return true;
  return state === DATA && !sameDigest(before.fingerprint(chunk), after.fingerprint(chunk));
}

function adds(before: Segment, after: Segment): boolean {
  return after.states.some((_, chunk) => differs(before, after, chunk));
}

/** `chunk`: the first of those that can't be known. */
export function corrupt(layer: string, what: string, chunk?: number): LayerMoverError {
  const from = chunk === undefined ? '' : `, from chunk ${chunk} on`;
  return new LayerMoverError(
    'MANIFEST_CORRUPT',
    `the manifest of layer ${layer} is not what it should be: ${what}${from}`,
    {
      hint: `the object store or the way to it changed bytes; ${MEND_HINT}`,
      data: { layer, what, ...(chunk === undefined ? {} : { chunk }) },
    },
  );
}
