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

  /** Stores the root and commits the layer: the last round. */
  async finish(layerId: string, rootBytes: Uint8Array): Promise<void> {
    await this.#last;
    await this.#sink.put('layers', layerId, [rootBytes]);
    await this.#sink.commit({ sequence: this.sequence++, segments: [], layerId });
  }

  async #round(): Promise<void> {
    this.#next = undefined;
    const segments = [...this.#pending];
    this.#pending.clear();
    const changed: StoredVersion[] = [];
    for await (const version of inOrder(segments, limits.segments_in_flight, (each) => this.#store(each))) {
      if (version !== undefined) changed.push(version);
    }
    for (let at = 0; at < changed.length; at += limits.segments_per_round_commit_max) {
      const part = changed.slice(at, at + limits.segments_per_round_commit_max);
      await this.#sink.commit({ sequence: this.sequence++, segments: part });
    }
    // Garbage collection keeps what was committed for as long as the migration may go on; what was only put it does not.
    await this.#note(changed);
  }

  /** Stores what is new of a segment. A segment without data has no placement: there is nothing to find. */
  async #store(open: OpenSegment): Promise<StoredVersion | undefined> {
    const { segment, placement } = open.version();
    const bytes = encodeSegment(segment);
    const id = toHex(segmentId(segment, bytes));
    if (id === open.committed || segment.isEmpty) return undefined;
    if (id !== open.stored) {
      if (placement.runs.length > 0) await this.#sink.put('placements', id, [encodePlacement(placement)]);
      await this.#sink.put('segments', id, [bytes]);
    }
    open.committed = id;
    return { index: open.index, id };
  }
}
