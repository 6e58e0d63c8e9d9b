import { segmentLength } from '../../core/chunk.ts';
import { DIGEST_BYTES, sha256, toHex } from '../../core/fingerprint.ts';
import { encodeRoot, type Root } from '../../core/format/root.ts';
import { Segment, segmentId } from '../../core/format/segment.ts';
import type { Fill } from '../scan/pool.ts';
import type { Mapped } from '../scan/requests.ts';
import type { ChunkRun } from '../scan/runs.ts';
import type { Counts } from './counts.ts';
import type { PushBase, PushWork } from './job.ts';
import { OpenSegment } from './open-segment.ts';
import type { RoundBook } from './round-book.ts';
import { type Reading, type SegmentBook, sendSegments } from './segments.ts';
import { SegmentsAhead } from './segments-ahead.ts';
import { type WorkOptions, withWork } from './work.ts';

export interface RoundJob extends PushBase, Pick<WorkOptions, 'geometry' | 'sequence'> {
  readonly layer: Mapped;
  readonly fill?: Fill | undefined;
  /** What has changed. */
  readonly runs: AsyncIterable<ChunkRun>;
  readonly book: RoundBook;
  /** Ends the layer: its root is stored, and the last round names it. */
  readonly isLast: boolean;
}

export interface PushedRound {
  readonly counts: Counts;
  /** Number of the round that the sink is given next. */
  readonly sequence: number;
  /** Hex, of the last round. */
  readonly layerId?: string;
}

/**
 * Sends what has changed of a layer since the round before. A chunk whose content is as it was keeps its place; one that
 * has changed has none until its pack is durable. What was committed when this fails stays so, and is true: the same
 * chunks must be in the next round's runs again. Errors: those of reading and of the sink, the signal's or drain's reason.
 */
export async function pushRound(job: RoundJob): Promise<PushedRound> {
  const { geometry, sequence, book, isLast } = job;
  const options = {
    geometry,
    sequence,
    isLast,
    scope: 'migration',
    onComplete: (open: OpenSegment) => book.save(open),
  } as const;
  return withWork(job, options, async (work) => {
    const ahead = new SegmentsAhead(book);
    await sendSegments({ ...job, geometry }, ahead.of(job.runs), segmentsOf(ahead, work), work);
    work.settler.end();
    await work.packer.flush();
    const layerId = isLast ? await work.settler.finish((held) => rootWith(book.root(), held)) : undefined;
    await work.settler.drain();
    work.packer.free();
    const counts = work.counter.finish();
    return { counts, sequence: work.settler.sequence, ...(layerId === undefined ? {} : { layerId }) };
  });
}

/** The root, now that these segments are as they are. */
function rootWith({ segmentIds: before, ...root }: Root, segments: Iterable<OpenSegment>) {
  const segmentIds = Buffer.from(before);
  for (const open of segments) segmentIds.set(segmentId(open.version().segment), open.index * DIGEST_BYTES);
  const bytes = encodeRoot({ ...root, segmentIds });
  return { layerId: toHex(sha256(bytes)), bytes };
}

function segmentsOf(book: Pick<RoundBook, 'load'>, { geometry, earlier: attempts }: PushWork): SegmentBook {
  return {
    async begin(index): Promise<Reading> {
      const known = await book.load(index);
      const earlier = known?.version ?? (await attempts?.version(index));
      const content = known?.content ?? new Segment(segmentLength(geometry, index));
      const open = new OpenSegment({
        index,
        content,
        isKnown: false,
        chunkBytes: geometry.chunkBytes,
        stored: earlier?.id,
      });
      known?.version.placeAll(open);
      open.committed = known?.committed;
      return { open, earlier };
    },
    end: async () => undefined,
  };
}
