import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { geometryOf } from '../../core/chunk.ts';
import { isNone, sha256, toHex } from '../../core/fingerprint.ts';
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from '../../core/format/batch.ts';
import { decodeFooter } from '../../core/format/footer.ts';
import { decodeFrame } from '../../core/format/frame.ts';
import { decodePlacement } from '../../core/format/placement.ts';
import { decodeRoot, encodeRoot } from '../../core/format/root.ts';
import { decodeSegment, encodeSegment, Segment, segmentId } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { samples } from './samples.ts';

const readers = {
  segment: decodeSegment,
  root: decodeRoot,
  frame: decodeFrame,
  footer: decodeFooter,
  placement: decodePlacement,
};

describe('a reader of a hostile object', () => {
  const made = samples();
  const names = Object.keys(readers) as (keyof typeof readers)[];

  it.each(names)('refuses a %s cut anywhere or with a byte more', (name) => {
    for (let length = 0; length < made[name].length; length++) {
      expect(() => readers[name](made[name].subarray(0, length))).toThrow();
    }
    expect(() => readers[name](Buffer.concat([made[name], Buffer.alloc(1)]))).toThrow();
  });

  it.each(names)('gives a %s with a flipped bit a typed error or other content, never the same content', (name) => {
    const same = JSON.stringify(readers[name](made[name]));
    for (let bit = 0; bit < made[name].length * 8; bit++) {
      const bytes = Buffer.from(made[name]);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      try {
        expect(JSON.stringify(readers[name](bytes))).not.toBe(same);
      } catch (error) {
        if ((error as Error).name === 'AssertionError') throw error;
        expect(error).toHaveProperty('code');
      }
    }
  });

  it('refuses a frame with any flipped bit', () => {
    for (let bit = 0; bit < made.frame.length * 8; bit++) {
      const bytes = Buffer.from(made.frame);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeFrame(bytes)).toThrow();
    }
  });

  it('says which version it does not know', () => {
    const bytes = Buffer.from(made.segment);
    bytes[4] = 2;
    expect(() => decodeSegment(bytes)).toThrow(expect.objectContaining({ code: 'FORMAT_VERSION' }));
  });
});

describe('a segment', () => {
  const states = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: limits.segment_chunks });

  it('comes back as it was written, from one byte string', () => {
    fc.assert(
      fc.property(states, (codes) => {
        const segment = new Segment(codes.length);
        codes.forEach((code, chunk) => {
          if (code === 1) segment.setZero(chunk);
          if (code === 2) segment.setData(chunk, sha256(Buffer.from(String(chunk))));
        });
        const bytes = encodeSegment(segment);
        const again = decodeSegment(bytes);
        expect([...again.states]).toEqual(codes);
        expect(toHex(encodeSegment(again))).toBe(toHex(bytes));
        expect(isNone(segmentId(segment))).toBe(codes.every((code) => code === 0));
      }),
      { numRuns: 50 },
    );
  });
});

describe('a root', () => {
  it('longer than any disk’s is refused before it is read', () => {
    expect(() => decodeRoot(Buffer.alloc(limits.root_bytes_max + 1))).toThrow(/has \d+ bytes/);
  });

  it('differs when parent, size or a segment differs', () => {
    const geometry = geometryOf(10 * 65536, 65536);
    const root = { geometry, parent: sha256(Buffer.from('a')), segmentIds: sha256(Buffer.from('s')) };
    const others = [
      { ...root, parent: sha256(Buffer.from('b')) },
      { ...root, geometry: geometryOf(10 * 65536 - 1, 65536) },
      { ...root, segmentIds: sha256(Buffer.from('t')) },
    ];
    for (const other of others) expect(toHex(encodeRoot(other))).not.toBe(toHex(encodeRoot(root)));
  });

  it.each([
    [0, 65535],
    [0, 2048],
    [0, 8 << 20],
    [-1, 65536],
    [2 ** 60, 65536],
    [limits.disk_bytes_max, 4096],
    [1.5, 4096],
  ])('refuses a disk of %i bytes in chunks of %i', (virtualBytes, chunkBytes) => {
    expect(() => geometryOf(virtualBytes, chunkBytes)).toThrow(expect.objectContaining({ code: 'GEOMETRY_REFUSED' }));
  });
});

describe('a fingerprint batch', () => {
  it('carries questions and answers', () => {
    const fingerprints = Buffer.concat([sha256(Buffer.from('a')), sha256(Buffer.from('b')), sha256(Buffer.from('c'))]);
    expect(toHex(decodeQuestion(encodeQuestion(fingerprints)))).toBe(toHex(fingerprints));
    const answer = {
      answers: [{ status: 'missing' }, { status: 'have', frame: 0, rawOffset: 70000 }, { status: 'claimed' }] as const,
      frames: [
        { scope: 'namespace', pack: sha256(Buffer.from('p')), offset: 2 ** 40, frameBytes: 5, rawBytes: 131072 },
      ] as const,
      claimedUntilMs: 1_800_000_000_000,
    };
    expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer);
  });

  it.each([0, limits.batch_fingerprints_max + 1])('of %i fingerprints is refused', (count) => {
    expect(() => decodeQuestion(encodeQuestion(Buffer.alloc(count * 32)))).toThrow(
      expect.objectContaining({ code: 'FORMAT_REFUSED' }),
    );
  });

  it('cut short is refused', () => {
    const question = encodeQuestion(Buffer.alloc(64, 7));
    expect(() => decodeQuestion(question.subarray(0, 50))).toThrow(expect.objectContaining({ code: 'FORMAT_REFUSED' }));
  });
});
