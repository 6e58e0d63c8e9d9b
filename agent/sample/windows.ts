import type { ChunkRun } from '../scan/runs.ts';

/** Of the chunks that must be read, counted in their order: those from `from` up to `to`. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** Windows of `piece` chunks that lie evenly in `chunks`, `most` chunks in all; everything if that is no more. */
export function windowsIn(chunks: number, { piece, most }: { piece: number; most: number }): Window[] {
  if (chunks <= most) return [{ from: 0, to: chunks }];
  const count = Math.max(1, Math.floor(most / piece));
  const step = (chunks - piece) / Math.max(1, count - 1);
  return Array.from({ length: count }, (_, at) => ({ from: Math.floor(at * step), to: Math.floor(at * step) + piece }));
}

/** The parts of runs that lie in windows; windows ascend and do not overlap. */
export async function* runsIn(runs: AsyncIterable<ChunkRun>, windows: readonly Window[]): AsyncGenerator<ChunkRun> {
  let first = 0;
  let at = 0;
  for await (const run of runs) {
    if (run.kind === 'zero') continue;
    const end = first + run.count;
    for (; at < windows.length && windows[at]!.from < end; at++) {
      const from = Math.max(first, windows[at]!.from);
      const to = Math.min(end, windows[at]!.to);
      if (from < to) yield { chunk: run.chunk + from - first, count: to - from, kind: 'read' };
      if (windows[at]!.to > end) break;
    }
    first = end;
    if (at === windows.length) return;
  }
}
