import type { Finding } from '../finding.ts';
import { median } from '../pairs.ts';
import type { Moved } from './moves.ts';

/** One guest's move by LayerMover, and a like one's by QEMU. */
export interface MovePair {
  readonly ours: Moved;
  readonly qemus: Moved;
}

const BENCH = 'qemu-mirror';
const NO_GOAL = 'none: side by side';
const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** What pairs of moves came to, each as LayerMover ÷ QEMU. */
export function findingsOf(what: string, pairs: readonly MovePair[]): Finding[] {
  const of = (figure: (moved: Moved) => number) => {
    const ratios = pairs.map(({ ours, qemus }) => figure(ours) / figure(qemus));
    const [ours, qemus] = [
      median(pairs.map((pair) => figure(pair.ours))),
      median(pairs.map((pair) => figure(pair.qemus))),
    ];
    return { ratio: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios), ours, qemus };
  };
  const [time, pause] = [of(({ tookMs }) => tookMs / 1000), of(({ pauseMs }) => pauseMs)];
  // Its bytes cross two links, one after the other: that which is busier tells.
  const bytes = of(({ sourceBytes, destinationBytes }) => Math.max(sourceBytes, destinationBytes));
  const finding = (name: string, figures: ReturnType<typeof of>, absolute: string): Finding => ({
    bench: BENCH,
    what: `${what}: ${name}, LayerMover ÷ drive-mirror`,
    goal: NO_GOAL,
    found: `${figures.ratio.toFixed(2)} × (${figures.lowest.toFixed(2)} … ${figures.highest.toFixed(2)}; ${absolute}; ${pairs.length} pairs)`,
    isMet: true,
    figures: { ...figures },
  });
  return [
    finding('time', time, `${time.ours.toFixed(1)} s against ${time.qemus.toFixed(1)} s`),
    finding('bytes over the link', bytes, `${mb(bytes.ours)} against ${mb(bytes.qemus)}`),
    finding('pause', pause, `${Math.round(pause.ours)} ms against ${Math.round(pause.qemus)} ms`),
  ];
}
