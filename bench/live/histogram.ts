/** Durations by how long they were, as QEMU counts them: bin n has those from `boundaries[n - 1]` up to `boundaries[n]`, in nanoseconds. */
export interface Histogram {
  readonly boundaries: readonly number[];
  /** One more than there are boundaries. */
  readonly bins: readonly number[];
}

/** Boundaries from `from` to `to`, each so many times the one before, whole numbers. */
export function boundariesOf(from: number, to: number, times: number): number[] {
  const boundaries: number[] = [];
  for (let at = from; at < to * times; at *= times) boundaries.push(Math.round(at));
  return boundaries;
}

/** All that is in histograms of the same boundaries. Throws if there is none. */
export function sum(histograms: readonly Histogram[]): Histogram {
  const [first] = histograms;
  if (first === undefined) throw new Error('there is nothing to add');
  const bins = first.bins.map((_, at) => histograms.reduce((all, each) => all + each.bins[at]!, 0));
  return { boundaries: first.boundaries, bins };
}

export function countOf({ bins }: Histogram): number {
  return bins.reduce((all, bin) => all + bin, 0);
}

/**
 * What the given share of the durations stayed within, in nanoseconds: bins are taken to be evenly filled, those beyond the last
 * boundary to be as long as that. Throws if there are none.
 */
export function percentile(histogram: Histogram, share: number): number {
  const { boundaries, bins } = histogram;
  const wanted = share * countOf(histogram);
  if (wanted <= 0) throw new Error('no durations were counted');
  let before = 0;
  for (const [at, bin] of bins.entries()) {
    const to = boundaries[at];
    if (to === undefined) break;
    if (before + bin >= wanted) {
      const from = boundaries[at - 1] ?? 0;
      return from + ((to - from) * (wanted - before)) / bin;
    }
    before += bin;
  }
  return boundaries.at(-1)!;
}
