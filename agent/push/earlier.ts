import type { Geometry } from '../../core/chunk.ts';
import { hasCode } from '../../core/errors.ts';
import { sameDigest } from '../../core/fingerprint.ts';
import type { FramePlace, Placement } from '../../core/format/placement.ts';
import { DATA, type Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { PushJournal } from '../journal/push-journal.ts';
import { openPlacement, placedChunks } from '../pull/placed.ts';
import type { PullSource } from '../pull/port.ts';
import { openSegment } from '../pull/versions.ts';
import { isDamage, WatchedSource } from '../pull/watched-source.ts';
import type { OpenSegment } from './open-segment.ts';

export interface Place {
  readonly frame: FramePlace;
  readonly rawOffset: number;
}

/** What an earlier attempt had stored of one segment. */
export class EarlierVersion {
  /** Hex. */
  readonly id: string;
  readonly #segment: Segment;
  readonly #places: ReadonlyMap<number, Place>;

  constructor(id: string, segment: Segment, places: ReadonlyMap<number, Place>) {
    this.id = id;
    this.#segment = segment;
    this.#places = places;
  }

  /** Places all chunks of an open segment where this version has them. */
  placeAll(open: Pick<OpenSegment, 'place'>): void {
    for (const [chunk, { frame, rawOffset }] of this.#places) open.place(chunk, frame, rawOffset);
  }

  /** Where a chunk, by its number within the segment, lies, if it holds now what it held then. */
  placeOf(chunk: number, fingerprint: Uint8Array): Place | undefined {
    if (this.#segment.states[chunk] !== DATA) return undefined;
    return sameDigest(this.#segment.fingerprint(chunk), fingerprint) ? this.#places.get(chunk) : undefined;
  }
}

/** What a push has at hand of the attempts before it: their journal, and the store to read what that names. */
export interface Before {
  readonly journal: PushJournal;
  readonly source: PullSource;
}

/** The versions that earlier attempts stored, each fetched when its segment's turn comes. Nothing of them is trusted unchecked. */
export class Earlier {
  readonly #name: string;
  readonly #geometry: Geometry;
  readonly #journal: PushJournal;
  readonly #source: Pick<WatchedSource, 'segment' | 'placement'>;

  constructor({ journal, source }: Before, of: { name: string; geometry: Geometry; signal: AbortSignal }) {
    this.#name = of.name;
    this.#geometry = of.geometry;
    this.#journal = journal;
    this.#source = new WatchedSource(source, of.signal);
  }

  /** Undefined if there is none, or what there is of it is damaged or gone: then its chunks are sent again. */
  async version(index: number): Promise<EarlierVersion | undefined> {
    const id = this.#journal.latest(index);
    if (id === undefined) return undefined;
    try {
      return await this.#load(index, id);
    } catch (error) {
      if (isDamage(error) || hasCode(error, 'OBJECT_MISSING')) return undefined;
      throw error;
    }
  }

  async #load(index: number, id: string): Promise<EarlierVersion> {
    const of = { layer: this.#name, geometry: this.#geometry };
    const segment = await this.#source.segment(id, (bytes) => openSegment(bytes, { ...of, index, id }));
    if (segment.count(DATA) === 0) return new EarlierVersion(id, segment, new Map());
    const first = index * limits.segment_chunks;
    const placement = await this.#source.placement(id, (bytes) => openPlacement(bytes, { ...of, first, segment }));
    return new EarlierVersion(id, segment, placesOf(placement, this.#geometry.chunkBytes));
  }
}

/** Where each chunk of a placement lies, by its number within the segment. */
export function placesOf(placement: Placement, chunkBytes: number): Map<number, Place> {
  const places = new Map<number, Place>();
  for (const { chunk, frame, rawOffset } of placedChunks(placement, chunkBytes))
    places.set(chunk, { frame, rawOffset });
  return places;
}
