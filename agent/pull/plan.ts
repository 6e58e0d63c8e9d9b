import { chunkLength, type Geometry } from '../../core/chunk.ts';
import { toHex } from '../../core/fingerprint.ts';
import type { FramePlace, Placement } from '../../core/format/placement.ts';
import { ABSENT, type Segment, ZERO } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { inOrder } from '../flow/in-order.ts';
import { fetchNamed } from './absent.ts';
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
  readonly frames: Iterable<WantedFrame>;
  readonly wanted: number;
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

  add({ zeros, frames, wanted, overwrites }: Changes): void {
    this.overwrites ||= overwrites;
    this.chunks += wanted;
    for (const chunk of zeros) {
      const last = this.zeros.at(-1);
      if (last !== undefined && last.chunk + last.count === chunk) last.count++;
      else this.zeros.push({ chunk, count: 1 });
    }
    for (const frame of frames) {
      const { scope, pack, offset, frameBytes, rawBytes } = frame.place;
      const name = `${scope} ${toHex(pack)} ${offset} ${frameBytes} ${rawBytes}`;
      const known = this.#frames.get(name);
      if (known === undefined) this.#frames.set(name, frame);
      else for (const chunk of frame.chunks) known.chunks.push(chunk);
    }
  }
}

/** What one segment's new version changes on the disk. */
async function changesOf(target: Target, { index, id }: SegmentVersion): Promise<Changes | undefined> {
  const { name, geometry, source, versions } = target;
  if (versions.has(index, id)) return undefined;
  // Beside the segment, which tells whether it is needed: nearly always it is.
  const asked = source.askPlacement(id);
  const step = await versions.advance(index, id);
  if (step === undefined) return undefined;
  const { segment } = step;
  const first = index * limits.segment_chunks;
  const { changed, overwrites } = compare(step);
  const zeros: number[] = [];
  let wanted = 0;
  changed.forEach((isChanged, chunk) => {
    if (isChanged === 0) return;
    if (segment.states[chunk] === ZERO) zeros.push(first + chunk);
    else wanted++;
  });
  if (wanted === 0) return { zeros, frames: [], wanted, overwrites };
  const of = { layer: name, geometry, first, segment };
  const named = { what: 'placement', layer: name, chunk: first } as const;
  const placement = await fetchNamed(named, () => source.placement(id, (bytes) => openPlacement(bytes, of), asked));
  return { zeros, frames: wantedFrames(placement, changed, of), wanted, overwrites };
}

/** One byte a chunk, 1 if it must be written; and whether chunks that were there before are written again or gone. */
function compare({ segment, before }: { segment: Segment; before: Segment }) {
  const changed = Uint8Array.from(segment.states, (_, chunk) => Number(differs(before, segment, chunk)));
  const overwrites = before.states.some((state, chunk) => {
    return state !== ABSENT && (segment.states[chunk] === ABSENT || changed[chunk] === 1);
  });
  return { changed, overwrites };
}

function wantedFrames(
  placement: Placement,
  changed: Uint8Array,
  { geometry, first, segment }: { geometry: Geometry; first: number; segment: Segment },
): Iterable<WantedFrame> {
  const frames = new Map<FramePlace, WantedFrame>();
  for (const { chunk, frame, rawOffset } of placedChunks(placement, geometry.chunkBytes)) {
    if (changed[chunk] === 0) continue;
    const length = chunkLength(geometry, first + chunk);
    const fingerprint = Buffer.from(segment.fingerprint(chunk));
    const wanted = frames.get(frame) ?? { place: frame, chunks: [] };
    wanted.chunks.push({ chunk: first + chunk, rawOffset, length, fingerprint });
    frames.set(frame, wanted);
  }
  return frames.values();
}
