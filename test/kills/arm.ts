import type { Front, Seen } from './front.ts';
import { type Point, watchFor } from './points.ts';

export interface Armed {
  /** Lets each strike come when its point has. */
  readonly strike: (at: number) => void;
  readonly note: (line: string) => void;
}

/** Waits for points, by number; gives how to wait no longer. */
export function arm(front: Front, points: readonly Point[], { strike, note }: Armed): () => void {
  const timers: NodeJS.Timeout[] = [];
  const waiting = new Map<number, (seen: Seen) => boolean>();
  const now = (at: number) => {
    waiting.delete(at);
    strike(at);
  };
  for (const [at, point] of points.entries()) {
    if (point.at === 'time') timers.push(setTimeout(() => now(at), point.ms));
    else waiting.set(at, watchFor(point));
  }
  const lost = new Map<number, number>();
  front.judge = (seen) => {
    for (const [at, matches] of waiting) {
      const point = points[at]!;
      if (point.at !== 'request' || !matches(seen)) continue;
      note(`${point.verdict} ${seen.line}`);
      if (point.verdict === 'pass') timers.push(setTimeout(() => now(at), point.afterMs));
      else lost.set(seen.number, at);
      return point.verdict;
    }
    return 'pass';
  };
  front.onLoss = ({ number }) => {
    const at = lost.get(number);
    lost.delete(number);
    if (at !== undefined) now(at);
  };
  return () => {
    front.judge = () => 'pass';
    for (const timer of timers) clearTimeout(timer);
  };
}
