import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { decodeFooter, decodeTrailer, packIdOf, TRAILER_BYTES } from '../../core/format/footer.ts';
import { decodeFrame } from '../../core/format/frame.ts';
import { decodePlacement } from '../../core/format/placement.ts';
import { decodeRoot } from '../../core/format/root.ts';
import { decodeSegment } from '../../core/format/segment.ts';
import { samples } from './samples.ts';

/** A format never changes silently: what version 1 writes is held byte for byte. UPDATE_GOLDEN=1 writes files that are missing. */
const file = (name: string) => new URL(`../golden/v1-${name}.bin`, import.meta.url);

describe('golden files of version 1', () => {
  const made = samples();
  it.each(Object.entries(made))('%s is written as ever', (name, bytes) => {
    if (process.env.UPDATE_GOLDEN === '1' && !existsSync(file(name))) writeFileSync(file(name), bytes);
    expect(toHex(bytes)).toBe(toHex(readFileSync(file(name))));
  });

  it('are read back to what they hold', () => {
    const segment = decodeSegment(readFileSync(file('segment')));
    expect([...segment.states]).toEqual([2, 0, 1, 2, 0, 0, 0, 0, 2]);
    const root = decodeRoot(readFileSync(file('root')));
    expect(root.geometry).toEqual({ virtualBytes: 588824, chunkBytes: 65536, chunks: 9, segments: 1 });
    expect(toHex(root.segmentIds)).toBe(toHex(sha256(readFileSync(file('segment')))));
    expect(
      decodeFrame(readFileSync(file('frame')))
        .payload.subarray(0, 6)
        .toString(),
    ).toBe('first ');
    const pack = readFileSync(file('pack'));
    const footerBytes = decodeTrailer(pack.subarray(-TRAILER_BYTES));
    const footer = pack.subarray(-TRAILER_BYTES - footerBytes, -TRAILER_BYTES);
    expect(decodeFooter(footer).chunks.map((chunk) => chunk.length)).toEqual([600, 700, 600]);
    const placement = decodePlacement(readFileSync(file('placement')));
    expect(toHex(placement.frames[0]!.pack)).toBe(toHex(packIdOf(footer)));
    expect(placement.runs.map((run) => run.chunk)).toEqual([0, 3, 8]);
  });
});
