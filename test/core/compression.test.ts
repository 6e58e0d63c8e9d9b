import { describe, expect, it } from 'vitest';
import { nextLevel, restingLevel } from '../../core/compression.ts';
import { limits } from '../../core/limits.ts';

/** What a pack costs to compress at each level, in milliseconds, on a machine of that speed. */
function costs(msAtLevel2: number): ReadonlyMap<number, number> {
  const ratios = [1, 1.25, 1.6, 2.1, 3.0, 3.1, 4.0, 4.2];
  return new Map(ratios.map((ratio, at) => [limits.pack_level_default + at, msAtLevel2 * ratio]));
}

/** Levels pack by pack, where a pack takes `linkMs` to send and the compressor never has more than one waiting. */
function levels(linkMs: number, cost: ReadonlyMap<number, number>, packs: number): number[] {
  const chosen: number[] = [limits.pack_level_default];
  for (let nth = 1; nth < packs; nth++) {
    const cpuMs = cost.get(chosen.at(-1)!)!;
    const ms = Math.max(linkMs, cpuMs);
    chosen.push(nextLevel(chosen.at(-1)!, { ms, waitedMs: ms - cpuMs, idleMs: ms - linkMs }));
  }
  return chosen;
}

describe('the level of compression', () => {
  it('stays at the lowest where the link is the faster one', () => {
    expect(new Set(levels(5, costs(100), 20))).toEqual(new Set([limits.pack_level_default]));
  });

  it('is the highest within four packs where the link is much slower', () => {
    expect(levels(5_000, costs(100), 5).at(-1)).toBe(limits.pack_level_max);
  });

  it.each([120, 180, 250, 330, 470, 620, 900, 1300])(
    'keeps both busy over a link that takes %d ms a pack',
    (linkMs) => {
      const cost = costs(100);
      const settled = levels(linkMs, cost, 30).slice(6);
      for (const level of settled) {
        // The link is never left idle for long, and no level that it would have had time for by far is passed over.
        expect(cost.get(level)).toBeLessThanOrEqual(linkMs * 1.15);
        const higher = cost.get(level + 2);
        if (higher !== undefined) expect(higher).toBeGreaterThan(linkMs * 0.8);
      }
    },
  );

  it('falls within three packs when the link has become faster, and not for one that came late', () => {
    const period = { ms: 1000, waitedMs: 0, idleMs: 900 };
    const once = nextLevel(limits.pack_level_max, period);
    expect(once).toBeGreaterThan(limits.pack_level_max - 6);
    expect(nextLevel(nextLevel(once, period), period)).toBeLessThanOrEqual(3);
  });

  it('does not jump to the end for one long wait, and keeps to its bounds', () => {
    expect(nextLevel(2, { ms: 1000, waitedMs: 1000, idleMs: 0 })).toBeLessThan(limits.pack_level_max);
    expect(nextLevel(limits.pack_level_max, { ms: 1000, waitedMs: 999, idleMs: 0 })).toBe(limits.pack_level_max);
    expect(nextLevel(2, { ms: 1000, waitedMs: 0, idleMs: 1000 })).toBe(limits.pack_level_default);
    expect(nextLevel(5, { ms: 0, waitedMs: 0, idleMs: 0 })).toBe(5);
  });
});

describe('the level that a push comes to rest at', () => {
  const work = { readMs: 20, compressMs: 80 };

  it('is the lowest over a fast link, the highest over a slow one, and never falls as the link slows down', () => {
    expect(restingLevel({ ...work, sendMs: 30 })).toBe(limits.pack_level_default);
    expect(restingLevel({ ...work, sendMs: 5_000 })).toBe(limits.pack_level_max);
    const found = Array.from({ length: 40 }, (_, at) => restingLevel({ ...work, sendMs: 50 * at }));
    expect(found).toEqual(found.toSorted((a, b) => a - b));
    expect(new Set(found).size).toBeGreaterThan(4);
  });

  it.each([120, 180, 250, 330, 470, 620, 900])('is where packs that take %d ms to send do rest', (sendMs) => {
    const rested = levels(sendMs - work.readMs, costs(work.compressMs), 30).slice(6);
    const found = restingLevel({ ...work, sendMs });
    expect(rested.some((level) => Math.abs(level - found) <= 1)).toBe(true);
  });

  it('of nothing is the lowest', () => {
    expect(restingLevel({ readMs: 0, compressMs: 0, sendMs: 0 })).toBe(limits.pack_level_default);
  });
});
