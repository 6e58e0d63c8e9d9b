import { describe, expect, it } from 'vitest';
import { boundariesOf, countOf, percentile, sum } from '../../bench/live/histogram.ts';
import { latencyFinding } from '../../bench/live/latency-finding.ts';

const boundaries = [10, 20, 40];

describe('a histogram of durations', () => {
  it('has boundaries that grow, to where they are to go', () => {
    expect(boundariesOf(10, 80, 2)).toEqual([10, 20, 40, 80]);
    expect(boundariesOf(10, 70, 2)).toEqual([10, 20, 40, 80]);
  });

  it('tells what a share of them stayed within', () => {
    const histogram = { boundaries, bins: [0, 90, 10, 0] };
    expect(percentile(histogram, 0.9)).toBe(20);
    expect(percentile(histogram, 0.45)).toBe(15);
    expect(percentile(histogram, 0.99)).toBe(38);
    expect(percentile(histogram, 1)).toBe(40);
    expect(percentile({ boundaries, bins: [10, 0, 0, 0] }, 0.5)).toBe(5);
  });

  it('holds those that took longer than it can tell for as long as it can tell', () => {
    expect(percentile({ boundaries, bins: [50, 0, 0, 50] }, 0.99)).toBe(40);
  });

  it('tells nothing of none', () => {
    expect(() => percentile({ boundaries, bins: [0, 0, 0, 0] }, 0.99)).toThrow('no durations');
    expect(() => sum([])).toThrow('nothing to add');
  });

  it('adds up', () => {
    const both = sum([
      { boundaries, bins: [1, 2, 3, 4] },
      { boundaries, bins: [10, 20, 30, 40] },
    ]);
    expect(both).toEqual({ boundaries, bins: [11, 22, 33, 44] });
    expect(countOf(both)).toBe(110);
  });
});

describe('a guest that is moved', () => {
  const flat = (to: number) => ({ boundaries: [to], bins: [100, 0] });
  const watched = (ratio: number) => {
    return {
      alone: flat(100),
      moving: flat(100 * ratio),
      besideAlone: flat(50),
      besideMoving: flat(100),
      movingMs: 1000,
    };
  };

  it('is told of by the median of its pairs, and by what one beside it felt', () => {
    const { figures, isMet } = latencyFinding('any', [watched(1.2), watched(1.4), watched(3)]);
    expect(figures).toMatchObject({ best: 1.2, worst: 3, besideRatio: 2, writes: 300 });
    expect(figures.ratio).toBeCloseTo(1.4);
    expect(isMet).toBe(true);
    expect(latencyFinding('any', [watched(1.6)]).isMet).toBe(false);
  });
});
