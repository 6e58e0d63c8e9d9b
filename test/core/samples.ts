import { geometryOf } from '../../core/chunk.ts';
import { sha256, sha256Of } from '../../core/fingerprint.ts';
import { encodeFooter, encodeTrailer, packIdOf } from '../../core/format/footer.ts';
import { checksumOfHead, encodeFrameHead } from '../../core/format/frame.ts';
import { encodePlacement, type Placement } from '../../core/format/placement.ts';
import { encodeRoot } from '../../core/format/root.ts';
import { encodeSegment, Segment, segmentId } from '../../core/format/segment.ts';

/** One small object of each format, made of fixed content: what the golden files hold. */
const text = (word: string) => Buffer.from(word.repeat(100));
const chunks = [text('first '), text('second '), text('third ')];

function sampleSegment(): Segment {
  const segment = new Segment(9);
  segment.setData(0, sha256(chunks[0]!));
  segment.setZero(2);
  segment.setData(3, sha256(chunks[1]!));
  segment.setData(8, sha256(chunks[2]!));
  return segment;
}

function samplePack() {
  const payload = Buffer.concat(chunks);
  const frame = { codec: 'stored', windowLog: 0, rawBytes: payload.length, prefix: [], payload } as const;
  const head = encodeFrameHead(frame);
  const footer = encodeFooter({
    frames: [
      {
        offset: 0,
        frameBytes: head.length + payload.length,
        rawBytes: payload.length,
        chunks: 3,
        checksum: checksumOfHead(head),
      },
    ],
    chunks: chunks.map((chunk) => ({ fingerprint: sha256(chunk), length: chunk.length })),
  });
  return {
    frame: Buffer.concat([head, payload]),
    footer,
    pack: Buffer.concat([head, payload, footer, encodeTrailer(footer.length)]),
  };
}

export function samples() {
  const segment = sampleSegment();
  const { frame, footer, pack } = samplePack();
  const placement: Placement = {
    frames: [{ scope: 'namespace', pack: packIdOf(footer), offset: 0, frameBytes: frame.length, rawBytes: 1900 }],
    runs: [
      { chunk: 0, count: 1, frame: 0, rawOffset: 0 },
      { chunk: 3, count: 1, frame: 0, rawOffset: 600 },
      { chunk: 8, count: 1, frame: 0, rawOffset: 1300 },
    ],
  };
  const root = {
    geometry: geometryOf(9 * 65536 - 1000, 65536),
    parent: sha256Of([Buffer.from('the layer below')]),
    segmentIds: segmentId(segment),
  };
  return {
    segment: encodeSegment(segment),
    root: encodeRoot(root),
    frame,
    footer,
    pack,
    placement: encodePlacement(placement),
  };
}
