import { toHex } from '../../core/fingerprint.ts';
import type { FramePlace, Placement, Run } from '../../core/format/placement.ts';
import { DATA, Segment, ZERO } from '../../core/format/segment.ts';

const NOWHERE = -1;

/** A segment on its way to the store: what it holds as far as that is known, and where its data chunks lie by now. */
export class OpenSegment {
  readonly index: number;
  /** What the layer holds; complete from the start, or as its chunks are read. */
  readonly content: Segment;
  /** Set when nothing will be added to the content. */
  isKnown: boolean;
  /** The version that was committed last, hex. */
  committed: string | undefined;
  /** The batch of fingerprints that it belongs to. */
  readonly batch: { readonly digest: string; missing: number } | undefined;
  /** The version that an earlier attempt stored, hex. */
  readonly stored: string | undefined;
  readonly #chunkBytes: number;
  readonly #frames: FramePlace[] = [];
  readonly #numbers = new Map<FramePlace, number>();
  readonly #numbersByName = new Map<string, number>();
  readonly #frameOf: Int32Array;
  readonly #rawOffsets: Uint32Array;
  #placed = 0;

  constructor(options: {
    index: number;
    content: Segment;
    isKnown: boolean;
    chunkBytes: number;
    batch?: OpenSegment['batch'];
    stored: string | undefined;
  }) {
    this.index = options.index;
    this.content = options.content;
    this.isKnown = options.isKnown;
    this.batch = options.batch;
    this.stored = options.stored;
    this.#chunkBytes = options.chunkBytes;
    this.#frameOf = new Int32Array(this.content.chunks).fill(NOWHERE);
    this.#rawOffsets = new Uint32Array(this.content.chunks);
  }

  /** Tells where a data chunk lies: its pack is durable. */
  place(chunk: number, frame: FramePlace, rawOffset: number): void {
    const number = this.#numbers.get(frame) ?? this.#number(frame);
    if (this.#frameOf[chunk] === NOWHERE) this.#placed++;
    this.#frameOf[chunk] = number;
    this.#rawOffsets[chunk] = rawOffset;
  }

  /** These chunks hold something else from now on: they lie nowhere until they are placed anew. */
  unplace(chunk: number, count: number): void {
    for (let each = chunk; each < chunk + count; each++) {
      if (this.#frameOf[each] !== NOWHERE) this.#placed--;
      this.#frameOf[each] = NOWHERE;
    }
  }

  /** True if its version is the layer's segment. */
  get isComplete(): boolean {
    return this.isKnown && this.#placed === this.content.count(DATA);
  }

  /** What can be pulled by now: zeros, and data chunks that have a place; all others are absent for the time being. */
  version(): { segment: Segment; placement: Placement } {
    const segment = new Segment(this.content.chunks);
    const runs: Run[] = [];
    const used = this.#usedFrames();
    for (let chunk = 0; chunk < segment.chunks; chunk++) {
      const state = this.content.states[chunk];
      if (state === ZERO) segment.setZero(chunk);
      if (state !== DATA || this.#frameOf[chunk] === NOWHERE) continue;
      segment.setData(chunk, this.content.fingerprint(chunk));
      this.#appendTo(runs, chunk, used.numbers);
    }
    return { segment, placement: { frames: used.frames, runs } };
  }

  /** The frames that any chunk still lies in, and their numbers among these. */
  #usedFrames(): { frames: FramePlace[]; numbers: Int32Array } {
    const numbers = new Int32Array(this.#frames.length).fill(NOWHERE);
    for (const frame of this.#frameOf) if (frame !== NOWHERE) numbers[frame] = 0;
    const frames = this.#frames.filter((_, number) => numbers[number] !== NOWHERE);
    let next = 0;
    for (const number of numbers.keys()) if (numbers[number] !== NOWHERE) numbers[number] = next++;
    return { frames, numbers };
  }

  /** The frame's number; a frame that comes as another object again keeps it. */
  #number(frame: FramePlace): number {
    const name = `${toHex(frame.pack)}.${frame.offset}`;
    const number = this.#numbersByName.get(name) ?? this.#frames.push(frame) - 1;
    this.#numbersByName.set(name, number);
    this.#numbers.set(frame, number);
    return number;
  }

  #appendTo(runs: Run[], chunk: number, numbers: Int32Array): void {
    const frame = numbers[this.#frameOf[chunk]!]!;
    const rawOffset = this.#rawOffsets[chunk]!;
    const last = runs.at(-1);
    const follows =
      last !== undefined &&
      last.frame === frame &&
      last.chunk + last.count === chunk &&
      last.rawOffset + last.count * this.#chunkBytes === rawOffset;
    if (follows) runs[runs.length - 1] = { ...last, count: last.count + 1 };
    else runs.push({ chunk, count: 1, frame, rawOffset });
  }
}
