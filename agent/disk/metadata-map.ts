import type { TableRange } from './header.ts';

/**
 * Where an image's own tables are: large ones as ranges, those of a cluster each as a list of their offsets. Both are
 * ascending and no two share a byte. It is asked for each run of clusters, so it searches plain arrays of numbers.
 */
export class MetadataMap {
  readonly #clusterBytes: number;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #clusters: Float64Array;

  constructor(clusterBytes: number, ranges: readonly TableRange[], clusters: Float64Array) {
    this.#clusterBytes = clusterBytes;
    this.#starts = Float64Array.from(ranges, ({ offset }) => offset);
    this.#ends = Float64Array.from(ranges, ({ offset, bytes }) => offset + bytes);
    this.#clusters = clusters;
  }

  /** Whether any of the host bytes [start, end) is metadata. */
  holds(start: number, end: number): boolean {
    const range = firstAbove(this.#ends, start);
    if (range < this.#starts.length && this.#starts[range]! < end) return true;
    const cluster = firstAbove(this.#clusters, start - this.#clusterBytes);
    return cluster < this.#clusters.length && this.#clusters[cluster]! < end;
  }
}

/** Index of the first of some ascending numbers that is larger than `value`; their count if none is. */
export function firstAbove(ascending: Float64Array, value: number): number {
  let low = 0;
  for (let high = ascending.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
