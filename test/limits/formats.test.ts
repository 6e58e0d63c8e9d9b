import { describe, expect, it } from 'vitest';
import { geometryOf } from '../../core/chunk.ts';
import { sha256 } from '../../core/fingerprint.ts';
import { decodeFooter, decodeTrailer, encodeFooter, encodeTrailer } from '../../core/format/footer.ts';
import { decodeFrame, encodeFrameHead, type Frame } from '../../core/format/frame.ts';
import { decodePlacement, encodePlacement } from '../../core/format/placement.ts';
import { decodeSegment, encodeSegment, Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';

const DIGEST = sha256(Buffer.from('x'));
const REFUSED = expect.objectContaining({ code: expect.stringMatching(/^(FORMAT|GEOMETRY)_REFUSED$/) });

/** What a reader takes at a bound, and refuses one step beyond. */
interface Bound {
  readonly name: string;
  readonly at: number;
  readonly beyond?: number;
  readonly read: (value: number) => unknown;
}

function frame(part: Partial<Frame>): Buffer {
  const payload = Buffer.from('payload');
  const whole: Frame = { codec: 'zstd', windowLog: 10, rawBytes: 1, prefix: [], payload, ...part };
  return Buffer.concat([encodeFrameHead(whole), payload]);
}

/** A pack of frames of one byte a chunk. */
function footer(frames: number, chunksEach: number): Buffer {
  return encodeFooter({
    frames: Array.from({ length: frames }, (_, at) => ({
      offset: at * 40,
      frameBytes: 40,
      rawBytes: chunksEach,
      chunks: chunksEach,
      checksum: DIGEST.subarray(0, 16),
    })),
    chunks: Array.from({ length: frames * chunksEach }, () => ({ fingerprint: DIGEST, length: 1 })),
  });
}

/** A placement of as many frames and runs as there are chunks: the longest, and one over. */
function placement(chunks: number): Buffer {
  const place = { scope: 'namespace', pack: DIGEST, offset: 0, frameBytes: 50, rawBytes: 10 } as const;
  const runs = Array.from({ length: chunks }, (_, chunk) => ({ chunk, count: 1, frame: chunk, rawOffset: 0 }));
  return encodePlacement({ frames: runs.map(() => place), runs });
}

function fullSegment(chunks: number): Segment {
  const segment = new Segment(chunks);
  for (let chunk = 0; chunk < chunks; chunk++) segment.setData(chunk, DIGEST);
  return segment;
}

const KiB = 1024;
const bounds: readonly Bound[] = [
  {
    name: 'chunk_bytes_min',
    at: limits.chunk_bytes_min,
    beyond: limits.chunk_bytes_min / 2,
    read: (bytes) => geometryOf(KiB, bytes),
  },
  {
    name: 'chunk_bytes_max',
    at: limits.chunk_bytes_max,
    beyond: limits.chunk_bytes_max * 2,
    read: (bytes) => geometryOf(KiB, bytes),
  },
  {
    name: 'layer_segments_max',
    at: limits.layer_segments_max * limits.segment_chunks * limits.chunk_bytes_min,
    read: (bytes) => geometryOf(bytes, limits.chunk_bytes_min),
  },
  { name: 'disk_bytes_max', at: limits.disk_bytes_max, read: (bytes) => geometryOf(bytes, limits.chunk_bytes_default) },
  { name: 'frame_raw_bytes_max', at: limits.frame_raw_bytes_max, read: (rawBytes) => decodeFrame(frame({ rawBytes })) },
  {
    name: 'frame_window_log_max',
    at: limits.frame_window_log_max,
    read: (windowLog) => decodeFrame(frame({ windowLog })),
  },
  {
    name: 'frame_prefix_chunks_max',
    at: limits.frame_prefix_chunks_max,
    read: (count) => decodeFrame(frame({ prefix: Array(count).fill(DIGEST) })),
  },
  { name: 'pack_frames_max', at: limits.pack_frames_max, read: (count) => decodeFooter(footer(count, 1)) },
  { name: 'pack_chunks_max', at: limits.pack_chunks_max, read: (count) => decodeFooter(footer(1, count)) },
  { name: 'footer_bytes_max', at: limits.footer_bytes_max, read: (bytes) => decodeTrailer(encodeTrailer(bytes)) },
  { name: 'segment_chunks', at: limits.segment_chunks, read: (count) => decodePlacement(placement(count)) },
  {
    name: 'segment_bytes_max',
    at: limits.segment_chunks,
    read: (chunks) => {
      const bytes = encodeSegment(fullSegment(chunks));
      expect(bytes.length).toBeLessThanOrEqual(limits.segment_bytes_max);
      return decodeSegment(bytes);
    },
  },
];

describe('a reader', () => {
  it.each(bounds)('takes what is at $name and refuses what is beyond', ({ at, beyond = at + 1, read }) => {
    expect(() => read(at)).not.toThrow();
    expect(() => read(beyond)).toThrow();
  });

  it.each(bounds.filter(({ name }) => name !== 'segment_bytes_max'))('says why it refuses $name', (bound) => {
    expect(() => bound.read(bound.beyond ?? bound.at + 1)).toThrow(REFUSED);
  });

  it('takes the longest placement there can be, which has room, and reads none that is longer', () => {
    expect(placement(limits.segment_chunks).length).toBeLessThanOrEqual(limits.placement_bytes_max);
    const long = Buffer.alloc(limits.placement_bytes_max + 1);
    expect(() => decodePlacement(long)).toThrow(/has \d+ bytes/);
  });
});
