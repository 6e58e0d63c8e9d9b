import type { TableRange } from './header.ts';

/**
 * Where an image's own tables are: large ones as ranges, those of a cluster each as a list of their offsets. Both are
 * ascending and no two share a byte.
 */
export class MetadataMap {
  readonly #clusterBytes: number;
  readonly #ranges: readonly TableRange[];
  readonly #clusters: Float64Array;

  constructor(clusterBytes: number, ranges: readonly TableRange[], clusters: Float64Array) {
    this.#clusterBytes = clusterBytes;
    this.#ranges = ranges;
    this.#clusters = clusters;
  }

  /** Whether any of the host bytes [start, end) is metadata. */
  holds(start: number, end: number): boolean {
    const ranges = this.#ranges;
    const clusters = this.#clusters;
    const range = firstOf(ranges.length, (i) => ranges[i]!.offset + ranges[i]!.bytes > start);
    if (range < ranges.length && ranges[range]!.offset < end) return true;
    const cluster = firstOf(clusters.length, (i) => clusters[i]! + this.#clusterBytes > start);
    return cluster < clusters.length && clusters[cluster]! < end;
  }
}

/** The first of `count` numbers for which `isReached`, `count` if there is none; it stays true for those that follow. */
export function firstOf(count: number, isReached: (i: number) => boolean): number {
  let low = 0;
  for (let high = count; low < high; ) {
    const middle = (low + high) >>> 1;
    if (isReached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
