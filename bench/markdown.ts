import { availableParallelism } from 'node:os';
import type { Finding } from './finding.ts';

const BAR_CELLS = 40;
/** A full bar. */
const SHARE_MAX = 1.25;

/** The findings as docs/BENCHMARKS.md has them: a table, and bars of those that are a share of a bare loop's speed. */
export function markdown(findings: readonly Finding[]): string {
  const rows = findings.map(({ isMet, bench, what, goal, found }) =>
    row([bench, what, goal, found, isMet ? 'yes' : 'no']),
  );
  const shares = findings.filter((finding) => finding.figures.share !== undefined);
  return [
    `One run on ${availableParallelism()} cores, Node ${process.versions.node}.`,
    '',
    row(['bench', 'what', 'goal', 'found', 'met']),
    row(['-', '-', '-', '-', '-']),
    ...rows,
    ...(shares.length === 0 ? [] : ['', '```', ...shares.map(bar), '```']),
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** For instance `scan raw, chunks of 64 KiB   ██████████│███   103 %`; the line marks the goal. */
function bar({ bench, what, figures }: Finding): string {
  const cells = (share: number) => Math.round((Math.min(share, SHARE_MAX) / SHARE_MAX) * BAR_CELLS);
  const [filled, goal] = [cells(figures.ratio!), cells(figures.share!)];
  const drawn = Array.from({ length: BAR_CELLS }, (_, at) => (at === goal ? '│' : at < filled ? '█' : ' ')).join('');
  return `${`${bench} ${what}`.padEnd(48)} ${drawn} ${Math.round(figures.ratio! * 100)} %`;
}
