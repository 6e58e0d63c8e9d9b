import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MetadataMap } from '../../agent/disk/metadata-map.ts';

const CLUSTER = 512;

test('a metadata map finds what a search through all tables finds', () => {
  const gaps = fc.array(fc.record({ gap: fc.nat(3000), bytes: fc.integer({ min: 1, max: 3000 }) }), { maxLength: 6 });
  const tables = fc.uniqueArray(
    fc.nat(60).map((i) => i * CLUSTER),
    { maxLength: 20 },
  );
  const start = fc.nat(40_000);
  const length = fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constant(1));
  const property = fc.property(gaps.map(apart), tables, start, length, (ranges, offsets, from, bytes) => {
    const map = new MetadataMap(CLUSTER, ranges, Float64Array.from(offsets).sort());
    const all = [...ranges, ...offsets.map((offset) => ({ offset, bytes: CLUSTER }))];
    const found = all.some((table) => from < table.offset + table.bytes && table.offset < from + bytes);
    expect(map.holds(from, from + bytes)).toBe(found);
  });
  fc.assert(property, { numRuns: 500 });
});

/** Ranges one after the other that share no byte. */
function apart(gaps: readonly { gap: number; bytes: number }[]): { offset: number; bytes: number }[] {
  let end = 0;
  return gaps.map(({ gap, bytes }) => {
    const range = { offset: end + gap, bytes };
    end = range.offset + bytes;
    return range;
  });
}
