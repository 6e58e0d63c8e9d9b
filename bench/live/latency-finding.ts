import type { Finding } from '../finding.ts';
import { median } from '../pairs.ts';
import { countOf, type Histogram, percentile, sum } from './histogram.ts';

const SHARE = 0.99;
const SLOWER_MAX = 1.5;

/** Writes of a guest alone and while it was being moved, and those of another one meanwhile that nobody moved. */
export interface Watched {
  readonly alone: Histogram;
  readonly moving: Histogram;
  readonly besideAlone: Histogram;
  readonly besideMoving: Histogram;
  readonly movingMs: number;
}

const p99 = (histogram: Histogram) => percentile(histogram, SHARE);
const ms = (ns: number) => `${(ns / 1e6).toFixed(2)} ms`;

/** The pairs' ratios of 99th percentiles, of a guest and of the one beside it, and that of all writes together. */
export function latencyFinding(what: string, watched: readonly Watched[]): Finding {
  const ratios = watched.map(({ alone, moving }) => p99(moving) / p99(alone));
  const [alone, moving] = [sum(watched.map((each) => each.alone)), sum(watched.map((each) => each.moving))];
  const figures = {
    ratio: median(ratios),
    best: Math.min(...ratios),
    worst: Math.max(...ratios),
    besideRatio: median(watched.map(({ besideAlone, besideMoving }) => p99(besideMoving) / p99(besideAlone))),
    aloneNs: p99(alone),
    movingNs: p99(moving),
    medianAloneNs: percentile(alone, 0.5),
    medianMovingNs: percentile(moving, 0.5),
    writes: countOf(moving),
    movingMs: median(watched.map((each) => each.movingMs)),
  };
  const seconds = (figures.movingMs / 1000).toFixed(1);
  const medians = `median ${ms(figures.medianMovingNs)} against ${ms(figures.medianAloneNs)}`;
  return {
    bench: 'guest-latency',
    what: `${what}: p99 of its writes during pre-copy`,
    goal: `≤ ${SLOWER_MAX} × that of the same guest alone`,
    found: `${figures.ratio.toFixed(2)} × (${figures.best.toFixed(2)} … ${figures.worst.toFixed(2)}; ${ms(figures.movingNs)} against ${ms(figures.aloneNs)}, ${medians}; ${figures.writes} writes in ${watched.length} pre-copies of ${seconds} s; a guest beside it that nobody moved: ${figures.besideRatio.toFixed(2)} ×)`,
    isMet: figures.ratio <= SLOWER_MAX,
    figures,
  };
}
