import { toHex } from '../../core/fingerprint.ts';
import { encodePlacement } from '../../core/format/placement.ts';
import { encodeSegment, segmentId } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { inOrder } from '../flow/in-order.ts';
import type { StoredVersion } from '../journal/format.ts';
import type { OpenSegment } from './open-segment.ts';
import type { PushSink } from './port.ts';

export type Note = (versions: readonly StoredVersion[]) => Promise<void>;

/**
 * Stores the current versions of segments, placement first, and commits them. One round runs at a time, so that later
 * rounds name later versions; all that is asked for meanwhile goes with the next one.
 */
export class Committer {
  readonly #sink: PushSink;
  readonly #note: Note;
  readonly #pending = new Set<OpenSegment>();
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  /** The next round's number. */
  sequence: number;

  /** `note` keeps what is committed in mind for a later attempt. */
  constructor(sink: PushSink, note: Note, sequence = 0) {
    this.#sink = sink;
    this.#note = note;
    this.sequence = sequence;
  }

  /** Resolves when these segments are committed, as they are now or later. */
  commit(segments: Iterable<OpenSegment>): Promise<void> {
    for (const segment of segments) this.#pending.add(segment);
    if (this.#next === undefined) {
      this.#next = this.#last.then(() => this.#round());
      this.#last = this.#next;
    }
    return this.#next;
  }

  /**
   * Stores the root and commits the layer: the last round. `segments` go with it. Their placements wait for `packs` to be
   * durable, the round for all of it, and nothing else for anything.
   */
  async finish(
    { layerId, bytes }: { layerId: string; bytes: Uint8Array },
    segments: Iterable<OpenSegment>,
    packs: Promise<void>,
  ): Promise<void> {
    await this.#last;
    const stored = inOrder(segments, limits.segments_in_flight, (each) => this.#store(each, packs));
    const [changed] = await Promise.all([changedOf(stored), this.#sink.put('layers', layerId, [bytes]), packs]);
    await this.#name(changed, layerId);
    await this.#note(changed);
  }

  async #round(): Promise<void> {
    this.#next = undefined;
    const segments = [...this.#pending];
    this.#pending.clear();
    const changed = await changedOf(inOrder(segments, limits.segments_in_flight, (each) => this.#store(each)));
    if (changed.length === 0) return;
    await this.#name(changed);
    // Garbage collection keeps what was committed for as long as the migration may go on; what was only put it does not.
    await this.#note(changed);
  }

  /** Commits what is durable, in as few rounds as may be; the last one names the layer if it is whole. */
  async #name(changed: readonly StoredVersion[], layerId?: string): Promise<void> {
    const most = limits.segments_per_round_commit_max;
    for (let at = 0; at === 0 || at < changed.length; at += most) {
      const isLast = at + most >= changed.length && layerId !== undefined;
      const segments = changed.slice(at, at + most);
      await this.#sink.commit({ sequence: this.sequence++, segments, ...(isLast ? { layerId } : {}) });
    }
  }

  /**
   * Stores what is new of a segment. A segment without data has no placement: there is nothing to find. One that is
   * stored stays as it is, so it must never name a pack that may not come to be durable: it waits for `packs`.
   */
  async #store(open: OpenSegment, packs?: Promise<void>): Promise<StoredVersion | undefined> {
    const { segment, placement } = open.version();
    const bytes = encodeSegment(segment);
    const id = toHex(segmentId(segment, bytes));
    if (id === open.committed || segment.isEmpty) return undefined;
    if (id !== open.stored) {
      const place = async () => {
        await packs;
        if (placement.runs.length > 0) await this.#sink.put('placements', id, [encodePlacement(placement)]);
      };
      // Before a round of its own a segment that is there has its placement.
      if (packs === undefined) await place();
      await Promise.all([this.#sink.put('segments', id, [bytes]), packs === undefined ? undefined : place()]);
    }
    open.committed = id;
    return { index: open.index, id };
  }
}

async function changedOf(stored: AsyncIterable<StoredVersion | undefined>): Promise<StoredVersion[]> {
  const changed: StoredVersion[] = [];
  for await (const version of stored) if (version !== undefined) changed.push(version);
  return changed;
}
