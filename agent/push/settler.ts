import { chunkLength, type Geometry } from '../../core/chunk.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { fromHex } from '../../core/fingerprint.ts';
import type { FramePlace, PackScope } from '../../core/format/placement.ts';
import { limits } from '../../core/limits.ts';
import { abortable } from '../flow/abortable.ts';
import { Background } from '../flow/background.ts';
import { Slots } from '../flow/slots.ts';
import type { Stop } from '../flow/stop.ts';
import type { Pack } from '../pack/pack.ts';
import { Committer, type Note } from './committer.ts';
import type { Counter } from './counts.ts';
import type { OpenSegment } from './open-segment.ts';
import type { PushSink } from './port.ts';
import type { Soon, Underway } from './underway.ts';

/** A chunk of an open segment that lies in a pack which another push is storing. */
export interface Adopted {
  readonly segment: OpenSegment;
  /** Its number in the segment. */
  readonly slot: number;
  readonly soon: Soon;
  /** Bytes. */
  readonly length: number;
}

/**
 * Makes packs, and then what they hold, durable beside the reading: pack, index rows, placements, segments, round, in
 * this order. Also keeps the segments that are on their way.
 */
export class Settler {
  readonly open = new Map<number, OpenSegment>();
  readonly #geometry: Geometry;
  readonly #scope: PackScope;
  readonly #sink: PushSink;
  readonly #stop: Stop;
  readonly #counter: Counter;
  readonly #committer: Committer;
  readonly #background: Background;
  /** What goes with the last round: packs on their way, and segments that wait for none. */
  readonly #last: { readonly uploads: Background; readonly packs: Pack[]; readonly segments: Set<OpenSegment> };
  readonly #underway: Underway | undefined;
  readonly #isLast: boolean;
  #isEnding = false;
  readonly #onComplete: (segment: OpenSegment) => Promise<void>;
  readonly #uploads: Slots;

  /** Packs of the namespace's scope are announced to the index, a migration's own are not. */
  constructor(options: {
    geometry: Geometry;
    scope: PackScope;
    sink: PushSink;
    stop: Stop;
    counter: Counter;
    note: Note;
    /** The number of the first round, 0 unless set. */
    sequence?: number | undefined;
    /** `finish` follows at once: what can wait for it makes no round of its own. */
    isLast?: boolean | undefined;
    /** Of its own unless set. */
    uploads?: Slots | undefined;
    underway?: Underway | undefined;
    /** Told of each segment when nothing will be added to it any more. */
    onComplete?: ((segment: OpenSegment) => Promise<void>) | undefined;
  }) {
    this.#geometry = options.geometry;
    this.#scope = options.scope;
    this.#sink = options.sink;
    this.#stop = options.stop;
    this.#counter = options.counter;
    this.#committer = new Committer(options.sink, options.note, options.sequence);
    this.#onComplete = options.onComplete ?? (async () => undefined);
    this.#isLast = options.isLast ?? false;
    this.#underway = options.underway;
    this.#uploads = options.uploads ?? Slots.count(limits.uploads_in_flight);
    this.#background = new Background(limits.packs_settling_max, options.stop);
    const uploads = new Background(limits.packs_settling_max, options.stop);
    this.#last = { uploads, packs: [], segments: new Set() };
  }

  /** Takes a finished pack over; waits while too many are on their way. */
  settle(pack: Pack, forget: () => void): Promise<void> {
    if (this.#isEnding) {
      this.#last.packs.push(pack);
      return this.#last.uploads.start(() => this.#upload(pack).then(forget));
    }
    return this.#background.start(async () => {
      const announced = this.#store(pack, forget);
      const frames = this.#framesOf(pack);
      this.#underway?.add({ placeOf: (fingerprint) => placeIn(pack, frames, fingerprint), announced });
      await announced;
      await this.#commit(this.#place(pack));
    });
  }

  async #store(pack: Pack, forget: () => void): Promise<void> {
    await this.#upload(pack);
    forget();
    if (this.#scope === 'namespace') await this.#announce(pack);
  }

  /**
   * Places chunks whose packs another push is storing, once these are there, and commits their segments. If that push fails, be it that
   * its migration was aborted, this one can be begun anew: PACK_NOT_STORED.
   */
  adopt(chunks: readonly Adopted[]): Promise<void> {
    return this.#background.start(async () => {
      const packs = new Set(chunks.map(({ soon }) => soon.there));
      await abortable(Promise.all(packs).catch(neverCame), this.#stop.signal);
      const touched = new Set<OpenSegment>();
      const ended: string[] = [];
      for (const { segment, slot, soon, length } of chunks) {
        segment.place(slot, soon.place.frame, soon.place.rawOffset);
        touched.add(segment);
        ended.push(...endedBy(segment));
        this.#counter.add({ doneBytes: length, dedupedBytes: length });
      }
      for (const digest of ended) await this.#sink.announce([], digest);
      await this.#commit(touched);
    });
  }

  /** Nothing more is read: packs that come now are stored, and committed by `finish`. */
  end(): void {
    this.#isEnding = this.#isLast;
  }

  /** Commits segments that wait for no pack of their own. */
  commit(segments: readonly OpenSegment[]): Promise<void> {
    const { segments: held } = this.#last;
    if (this.#isLast && held.size + segments.length <= limits.pack_segments_max) {
      for (const segment of segments) held.add(segment);
      return Promise.resolve();
    }
    return this.#background.start(() => this.#commit(segments));
  }

  /** Waits until all that was settled is committed. */
  drain(): Promise<void> {
    return this.#background.drain();
  }

  /** Waits until nothing is running any more, after the push was stopped. */
  async ended(): Promise<void> {
    await Promise.all([this.#background.ended(), this.#last.uploads.ended()]);
  }

  /** How many rounds were committed, and before. */
  get sequence(): number {
    return this.#committer.sequence;
  }

  /**
   * Stores the root and commits the layer, with what was held back for it. Packs, placements, segments and root are durable
   * before the round names them; the root depends on content alone, so it need not wait for the others. Gives its id (hex).
   */
  async finish(rootOf: (held: ReadonlySet<OpenSegment>) => { layerId: string; bytes: Uint8Array }): Promise<string> {
    // A round that is under way must not name what is not durable yet: only then are the last packs' chunks placed.
    await this.drain();
    const { packs, uploads, segments } = this.#last;
    for (const pack of packs) for (const segment of this.#place(pack)) segments.add(segment);
    const { layerId, bytes } = rootOf(segments);
    await this.#committer.finish({ layerId, bytes }, segments, uploads.drain());
    await this.#close(segments);
    return layerId;
  }

  async #upload(pack: Pack): Promise<void> {
    const slot = await this.#uploads.take(this.#stop.signal);
    try {
      await this.#sink.put('packs', pack.id, pack.parts);
    } finally {
      this.#uploads.give(slot);
    }
  }

  /** Tells the index, and ends the claims on batches of which this pack holds the last missing chunk. */
  async #announce(pack: Pack): Promise<void> {
    const ended = pack.chunks.flatMap(({ segment }) => endedBy(this.open.get(segment)!));
    await this.#sink.announce([pack.id], ended[0]);
    for (const digest of ended.slice(1)) await this.#sink.announce([], digest);
  }

  #framesOf(pack: Pack): FramePlace[] {
    const id = fromHex(pack.id);
    return pack.frames.map(({ offset, frameBytes, rawBytes }) => {
      return { scope: this.#scope, pack: id, offset, frameBytes, rawBytes };
    });
  }

  #place(pack: Pack): Set<OpenSegment> {
    const places = this.#framesOf(pack);
    const touched = new Set<OpenSegment>();
    let doneBytes = 0;
    for (const { segment, chunk, frame, rawOffset } of pack.chunks) {
      const open = this.open.get(segment)!;
      open.place(chunk, places[frame]!, rawOffset);
      touched.add(open);
      doneBytes += chunkLength(this.#geometry, segment * limits.segment_chunks + chunk);
    }
    this.#counter.add({ doneBytes });
    return touched;
  }

  async #commit(segments: Iterable<OpenSegment>): Promise<void> {
    await this.#committer.commit(segments);
    await this.#close(segments);
  }

  async #close(segments: Iterable<OpenSegment>): Promise<void> {
    for (const segment of segments) {
      if (!segment.isComplete || !this.open.delete(segment.index)) continue;
      await this.#onComplete(segment);
    }
  }
}

function placeIn({ places }: Pack, frames: readonly FramePlace[], fingerprint: string): Soon['place'] | undefined {
  const place = places.get(fingerprint);
  return place && { frame: frames[place.frame]!, rawOffset: place.rawOffset };
}

/** The digest of a segment's batch if this is the last of its missing chunks that comes to the index. */
function endedBy({ batch }: OpenSegment): string[] {
  return batch !== undefined && --batch.missing === 0 ? [batch.digest] : [];
}

function neverCame(cause: unknown): never {
  throw new LayerMoverError('PACK_NOT_STORED', 'a pack that another push was storing has not come to the store', {
    hint: 'see what became of the other push; `layermover resume ID` sends what is missing',
    cause,
  });
}
