import type { Chance } from './chance.ts';
import type { Seen, Verdict } from './front.ts';

export const VICTIMS = ['a', 'b', 'cloud', 'cli'] as const;
export type Victim = (typeof VICTIMS)[number];

/** When a kill strikes: after so long, or at the nth request that matches, which or whose answer is lost then. */
export type Point =
  | { readonly at: 'time'; readonly ms: number }
  | {
      readonly at: 'request';
      readonly match: string;
      readonly nth: number;
      readonly verdict: Verdict;
      /** From the request to the kill. */
      readonly afterMs: number;
    };

export interface Strike<V extends string> {
  readonly point: Point;
  readonly victims: readonly V[];
  readonly restartMs: number;
}
export type Kill = Strike<Victim>;

/** Moments that matter, as the requests that mark them, and how many of each a run has about. */
export type Moments = readonly (readonly [match: string, most: number])[];

const MOMENTS: Moments = [
  ['.', 250],
  ['^POST \\S+/poll', 60],
  ['^POST /v1/migrations$', 1],
  ['^POST \\S+/tasks/\\S+\\.survey\\.\\S+/report', 1],
  ['^POST \\S+\\.seed\\.\\S+/grant', 1],
  ['^POST \\S+/fingerprints', 4],
  ['^PUT \\S+/packs/', 4],
  ['^POST \\S+/packs$', 3],
  ['^PUT \\S+/placements/', 4],
  ['^PUT \\S+/segments/', 4],
  ['^POST \\S+/rounds$', 5],
  ['^PUT \\S+/layers/', 3],
  ['^POST \\S+/layers$', 2],
  ['^GET \\S+/segments/', 4],
  ['^GET \\S+/packs/', 6],
  ['^POST \\S+/presence$', 2],
  ['^POST \\S+\\.seed\\.\\S+/report', 1],
  ['^POST \\S+\\.fetch\\.\\S+/report', 1],
  ['^POST \\S+/receipt$', 2],
  ['^POST \\S+/commit$', 2],
  ['^POST \\S+\\.cutover\\.\\S+/report', 2],
  ['^POST \\S+\\.follow\\.\\S+/report', 2],
];

/** One kill in three at a time, the others at a moment that matters. */
export function drawKill(chance: Chance): Kill {
  const victims = VICTIMS.filter(() => chance.next() < 0.35);
  return {
    point: chance.next() < 0.3 ? { at: 'time', ms: chance.int(0, 3000) } : drawRequest(chance, MOMENTS),
    victims: victims.length > 0 ? victims : [chance.pick(VICTIMS)],
    restartMs: chance.pick([0, chance.int(0, 300), chance.int(300, 2500)]),
  };
}

export function drawRequest(chance: Chance, moments: Moments): Extract<Point, { at: 'request' }> {
  const [match, most] = chance.pick(moments);
  const verdict = chance.pick(['pass', 'lose-request', 'lose-answer'] as const);
  // The migration's end comes milliseconds after its commit: renames and clean-up are hit by waiting a little.
  const afterMs = verdict === 'pass' ? chance.pick([0, chance.int(0, 20), chance.int(0, 200)]) : 0;
  return { at: 'request', match, nth: chance.int(1, most), verdict, afterMs };
}

/** Counts the requests that a point waits for. */
export function watchFor({ match, nth }: Extract<Point, { at: 'request' }>): (seen: Seen) => boolean {
  const pattern = new RegExp(match);
  let count = 0;
  return ({ line }) => pattern.test(line) && ++count === nth;
}
