import type { Ratio } from './pairs.ts';

/** What one measurement came to, and whether that is good enough. */
export interface Finding {
  readonly bench: string;
  /** What was measured, and on what. */
  readonly what: string;
  readonly goal: string;
  readonly found: string;
  readonly isMet: boolean;
  /** For whoever reads the JSON. Milliseconds, bytes and shares. */
  readonly figures: Readonly<Record<string, number>>;
}

/** How much to measure, and where. */
export interface Settings {
  /** An empty folder for images; the bench may fill it. */
  readonly folder: string;
  /** Bytes of a disk. */
  readonly bytes: number;
  readonly pairs: number;
  readonly threads: number;
  readonly isQuick: boolean;
  /** Data of the disks whose agents' memory is measured. */
  readonly gib: readonly number[];
  readonly note: (line: string) => void;
}

/** A speed that must be at least `share` of a bare loop's. */
export function speedFinding(bench: string, what: string, share: number, ratio: Ratio, bytes: number): Finding {
  const perSecond = (ms: number) => `${Math.round(bytes / ms / 1000)} MB/s`;
  return {
    bench,
    what,
    goal: `≥ ${percent(share)} of the bare loop`,
    found: `${percent(ratio.ratio)} (${percent(ratio.lowest)} … ${percent(ratio.highest)}; ${perSecond(ratio.productMs)} against ${perSecond(ratio.bareMs)}; of CPU time ${percent(ratio.cpuRatio)})`,
    isMet: ratio.ratio >= share,
    figures: { ...ratio, share, bytes },
  };
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
