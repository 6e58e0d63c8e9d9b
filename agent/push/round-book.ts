import type { Root } from '../../core/format/root.ts';
import type { Segment } from '../../core/format/segment.ts';
import type { EarlierVersion } from './earlier.ts';
import type { OpenSegment } from './open-segment.ts';

/** A segment as it was committed last. */
export interface KnownSegment {
  readonly content: Segment;
  readonly version: EarlierVersion;
  /** Hex; undefined if it may not have come to be committed. */
  readonly committed: string | undefined;
}

/** What the rounds before have made of a layer that changes. */
export interface RoundBook {
  /** Undefined if no round has touched the segment. */
  load(index: number): Promise<KnownSegment | undefined>;
  save(segment: OpenSegment): Promise<void>;
  root(): Root;
}
