import { chunkLength, type Geometry } from '../../core/chunk.ts';
import { toHex } from '../../core/fingerprint.ts';
import type { FramePlace } from '../../core/format/placement.ts';
import { ABSENT, ZERO } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { inOrder } from '../scan/in-order.ts';
import { openPlacement, placedChunks } from './placed.ts';
import { differs, type Versions } from './versions.ts';
import type { WatchedSource } from './watched-source.ts';

/** A chunk that a frame brings. */
export interface WantedChunk {
  /** Number in the layer. */
  readonly chunk: number;
  readonly rawOffset: number;
  readonly length: number;
  readonly fingerprint: Uint8Array;
}

/** A frame to fetch, and what is wanted of it. */
export interface WantedFrame {
  readonly place: FramePlace;
  readonly chunks: WantedChunk[];
}

/** What to write next. */
export interface Plan {
  /** Neighbouring chunks, by number in the layer. */
  readonly zeros: { chunk: number; count: number }[];
  readonly frames: WantedFrame[];
  /** True if it may write where something was written before: what is on its way must have arrived then. */
  overwrites: boolean;
}

export interface SegmentVersion {
  readonly index: number;
  readonly id: string;
}

interface Target {
  readonly name: string;
  readonly geometry: Geometry;
  readonly source: WatchedSource;
  readonly versions: Versions;
}

/**
 * What brings the disk to these versions, in plans of about a pack's chunks each, so that a frame which several
 * segments share is opened once and memory is bounded whatever a round names. Segments and placements are fetched
 * several at a time. An index comes once only. Errors: MANIFEST_CORRUPT, PLACEMENT_CORRUPT, those of the source.
 */
export async function* planSegments(target: Target, segments: readonly SegmentVersion[]): AsyncGenerator<Plan> {
  let open = new OpenPlan();
  for await (const changes of inOrder(segments, limits.segments_in_flight, (each) => changesOf(target, each))) {
    if (changes === undefined) continue;
    open.add(changes);
    if (open.chunks < limits.pack_chunks_max) continue;
    yield open;
    open = new OpenPlan();
  }
  if (!open.isEmpty) yield open;
}

interface Changes {
  readonly zeros: number[];
  readonly data: (WantedChunk & { readonly frame: FramePlace })[];
  readonly overwrites: boolean;
}

class OpenPlan implements Plan {
  readonly zeros: Plan['zeros'] = [];
  overwrites = false;
  chunks = 0;
  readonly #frames = new Map<string, WantedFrame>();

  get frames(): WantedFrame[] {
    return [...this.#frames.values()];
  }

  get isEmpty(): boolean {
    return this.zeros.length === 0 && this.#frames.size === 0;
  }

  add({ zeros, data, overwrites }: Changes): void {
    this.overwrites ||= overwrites;
    this.chunks += data.length;
    for (const chunk of zeros) {
      const last = this.zeros.at(-1);
      if (last !== undefined && last.chunk + last.count === chunk) last.count++;
      else this.zeros.push({ chunk, count: 1 });
    }
    for (const { frame, ...chunk } of data) {
      const name = `${frame.scope} ${toHex(frame.pack)} ${frame.offset} ${frame.frameBytes} ${frame.rawBytes}`;
      const wanted = this.#frames.get(name);
      if (wanted === undefined) this.#frames.set(name, { place: frame, chunks: [chunk] });
      else wanted.chunks.push(chunk);
    }
  }
}

/** What one segment's new version changes on the disk. */
async function changesOf(target: Target, { index, id }: SegmentVersion): Promise<Changes | undefined> {
  const { name, geometry, source, versions } = target;
  const step = await versions.advance(index, id);
  if (step === undefined) return undefined;
  const { segment, before } = step;
  const first = index * limits.segment_chunks;
  const changed = Array.from(segment.states.keys()).filter((chunk) => differs(before, segment, chunk));
  const zeros = changed.filter((chunk) => segment.states[chunk] === ZERO).map((chunk) => first + chunk);
  const overwrites = before.states.some((state, chunk) => {
    return state !== ABSENT && (segment.states[chunk] === ABSENT || differs(before, segment, chunk));
  });
  if (zeros.length === changed.length) return { zeros, data: [], overwrites };
  const of = { layer: name, geometry, first, segment };
  const placement = await source.placement(id, (bytes) => openPlacement(bytes, of));
  const data: Changes['data'] = [];
  for (const { chunk, frame, rawOffset } of placedChunks(placement, geometry.chunkBytes)) {
    if (!differs(before, segment, chunk)) continue;
    const length = chunkLength(geometry, first + chunk);
    data.push({ chunk: first + chunk, frame, rawOffset, length, fingerprint: Buffer.from(segment.fingerprint(chunk)) });
  }
  return { zeros, data, overwrites };
}
