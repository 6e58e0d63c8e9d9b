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

  /** True if its version is the layer's segment. */
  get isComplete(): boolean {
    return this.isKnown && this.#placed === this.content.count(DATA);
  }

  /** What can be pulled by now: zeros, and data chunks that have a place; all others are absent for the time being. */
  version(): { segment: Segment; placement: Placement } {
    const segment = new Segment(this.content.chunks);
    const runs: Run[] = [];
    for (let chunk = 0; chunk < segment.chunks; chunk++) {
      const state = this.content.states[chunk];
      if (state === ZERO) segment.setZero(chunk);
      if (state !== DATA || this.#frameOf[chunk] === NOWHERE) continue;
      segment.setData(chunk, this.content.fingerprint(chunk));
      this.#appendTo(runs, chunk);
    }
    return { segment, placement: { frames: this.#frames, runs } };
  }

  /** The frame's number in the placement; a frame that comes as another object again keeps it. */
  #number(frame: FramePlace): number {
    const name = `${toHex(frame.pack)}.${frame.offset}`;
    const number = this.#numbersByName.get(name) ?? this.#frames.push(frame) - 1;
    this.#numbersByName.set(name, number);
    this.#numbers.set(frame, number);
    return number;
  }

  #appendTo(runs: Run[], chunk: number): void {
    const frame = this.#frameOf[chunk]!;
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
