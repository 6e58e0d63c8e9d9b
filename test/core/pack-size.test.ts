import { describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { packRawBytes } from '../../core/pack-size.ts';

const { pack_raw_bytes_min: least, pack_raw_bytes_max: most, pack_link_ms: linkMs, small_packs_max: packs } = limits;

describe('the size of packs', () => {
  it('is what the link carries in a moment', () => {
    const middle = (least + most) / 2;
    expect(packRawBytes(middle / linkMs, middle)).toBeCloseTo(middle);
  });

  it('is the least over a slow link, and never less', () => {
    expect(packRawBytes(0, least)).toBe(least);
    expect(packRawBytes(least / linkMs / 2, least)).toBe(least);
  });

  it('is the most over a fast link, and over one that nobody knows, and never more', () => {
    expect(packRawBytes(most / linkMs, least)).toBe(most);
    expect(packRawBytes(2 * (most / linkMs), least)).toBe(most);
    expect(packRawBytes(Number.POSITIVE_INFINITY, least)).toBe(most);
  });

  it('makes no more than so many small ones of a push, however slow the link is', () => {
    const total = packs * 2 * least;
    expect(total / packRawBytes(0, total)).toBe(packs);
    expect(packRawBytes(0, packs * most)).toBe(most);
    expect(packRawBytes(0, Number.POSITIVE_INFINITY)).toBe(most);
  });
});
