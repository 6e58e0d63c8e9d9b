import { availableParallelism } from 'node:os';
import Table from 'cli-table3';
import type { Finding } from '../finding.ts';
import type { Cost } from './command.ts';
import type { Figures } from './figures.ts';

const HEAD = ['tool', 'MB stored', 's', 'CPU s', 'RSS MB', 'VM: MB', 's', 'restore: s', 'RSS MB'];
const BAR_CELLS = 40;
const NAME_CELLS = 42;

/** The figures for people. */
export function table(all: readonly Figures[]): string {
  const rows = new Table({ head: HEAD, style: { head: [], border: [] } });
  for (const figures of all) rows.push(cells(figures));
  return rows.toString();
}

/** The figures as docs/BENCHMARKS.md has them: a table, goals, and bars of bytes and seconds. */
export function markdown(all: readonly Figures[], findings: readonly Finding[]): string {
  return [
    `One run on ${availableParallelism()} cores, Node ${process.versions.node}.`,
    '',
    row(HEAD),
    row(HEAD.map(() => '-')),
    ...all.map((figures) => row(cells(figures))),
    '',
    row(['what', 'goal', 'found', 'met']),
    row(['-', '-', '-', '-']),
    ...findings.map(({ what, goal, found, isMet }) => row([what, goal, found, isMet ? 'yes' : 'no'])),
    '',
    '```',
    ...bars('MB stored', all, ({ storedBytes }) => storedBytes / 1e6),
    '',
    ...bars('seconds to store them', all, ({ ingest }) => ingest.seconds),
    '```',
  ].join('\n');
}

function cells({ name, storedBytes, ingest, vmBytes, vm, restore }: Figures): string[] {
  const bytes = (value: number) => (value / 1e6).toFixed(1);
  const of = (cost: Cost | undefined, told: (cost: Cost) => string) => (cost === undefined ? '' : told(cost));
  const rss = ({ rssBytes }: Cost) => (rssBytes / 1e6).toFixed(0);
  const spent = [ingest.seconds.toFixed(1), ingest.cpuSeconds.toFixed(1), rss(ingest)];
  const back = [of(restore, ({ seconds }) => seconds.toFixed(1)), of(restore, rss)];
  return [name, bytes(storedBytes), ...spent, bytes(vmBytes), vm.seconds.toFixed(1), ...back];
}

function row(cellsOfRow: readonly string[]): string {
  return `| ${cellsOfRow.join(' | ')} |`;
}

function bars(what: string, all: readonly Figures[], of: (figures: Figures) => number): string[] {
  const most = Math.max(...all.map(of));
  const sorted = [...all].sort((a, b) => of(a) - of(b));
  return [
    what,
    ...sorted.map((figures) => {
      const filled = Math.round((of(figures) / most) * BAR_CELLS);
      return `${figures.name.padEnd(NAME_CELLS)} ${'█'.repeat(filled).padEnd(BAR_CELLS)} ${of(figures).toFixed(1)}`;
    }),
  ];
}
