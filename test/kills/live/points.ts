import type { Chance } from '../chance.ts';
import { drawRequest, type Moments, type Point, type Strike } from '../points.ts';

/** Agents, the cloud, QEMUs of one VM at either site, and a user who aborts; `nobody`: a request or its answer is lost. */
export const LIVE_VICTIMS = ['a', 'b', 'cloud', 'qemu-a', 'qemu-b', 'abort', 'nobody'] as const;
export type LiveVictim = (typeof LIVE_VICTIMS)[number];

export interface LiveStrike extends Strike<LiveVictim> {
  /** Whose QEMU is killed. */
  readonly vm: string;
  /** Set: the agents among the victims are stopped for so long (SIGSTOP), not killed. */
  readonly hangMs?: number;
}

const MOMENTS: Moments = [
  ['.', 300],
  ['^POST \\S+/poll', 80],
  ['^POST \\S+\\.survey\\.\\S+/report', 1],
  ['^PUT \\S+/packs/', 6],
  ['^PUT \\S+/segments/', 6],
  ['^POST \\S+\\.round\\.\\S+/rounds$', 4],
  ['^POST \\S+\\.round\\.\\S+/report', 3],
  ['^GET \\S+/segments/', 6],
  ['^GET \\S+/packs/', 6],
  ['^POST \\S+/incoming$', 3],
  ['^POST \\S+/incoming$', 1],
  ['^POST \\S+\\.cutover\\.\\S+/rounds$', 3],
  ['^POST \\S+\\.cutover\\.\\S+/rounds$', 2],
  ['^POST \\S+/receipt$', 1],
  ['^POST \\S+/receipt$', 2],
  ['^POST \\S+/commit$', 1],
  ['^POST \\S+/commit$', 1],
  ['^POST \\S+/commit$', 2],
  ['^POST \\S+/running$', 1],
  ['^POST \\S+/reclaim$', 1],
  ['^POST \\S+\\.cutover\\.\\S+/report', 1],
  ['^POST \\S+\\.follow\\.\\S+/report', 1],
];

/** Requests that every run makes, after which its source waits for the destination. */
const WAITS: Moments = [
  ['^POST \\S+\\.round\\.\\S+/rounds$', 1],
  ['^POST \\S+/incoming$', 1],
  ['^POST \\S+\\.cutover\\.\\S+/rounds$', 1],
  ['^POST \\S+/receipt$', 1],
  ['^POST \\S+/commit$', 1],
  ['^POST \\S+/running$', 1],
];

/** The destination's agent hangs, for a while or for longer than anybody waits for it. */
export function drawHang(chance: Chance, vms: readonly string[]): LiveStrike {
  const [match, nth] = chance.pick(WAITS);
  const verdict = chance.pick(['pass', 'pass', 'lose-request'] as const);
  const afterMs = verdict === 'pass' ? chance.pick([0, chance.int(0, 100)]) : 0;
  const hangMs = chance.pick([4000, 30_000, 75_000]);
  return { point: { at: 'request', match, nth, verdict, afterMs }, victims: ['b'], restartMs: 0, vm: vms[0]!, hangMs };
}

/** One strike in five at a time, the others at a moment that matters, or all of them at those that `moments` names. */
export function drawLiveStrike(chance: Chance, vms: readonly string[], moments?: Moments): LiveStrike {
  const victims = [...new Set(Array.from({ length: chance.pick([1, 1, 1, 1, 2]) }, () => chance.pick(LIVE_VICTIMS)))];
  const restartMs = chance.pick([0, chance.int(0, 300), chance.int(300, 2500), chance.int(2500, 6000)]);
  return { point: drawPoint(chance, victims, moments), victims, restartMs, vm: chance.pick(vms) };
}

function drawPoint(chance: Chance, victims: readonly LiveVictim[], moments?: Moments): Point {
  const isTimed = chance.next() < 0.2 && moments === undefined;
  if (victims.some((victim) => victim !== 'nobody')) {
    return isTimed ? { at: 'time', ms: chance.int(0, 8000) } : drawRequest(chance, moments ?? MOMENTS);
  }
  const lost = drawRequest(chance, moments ?? MOMENTS);
  return { ...lost, verdict: chance.pick(['lose-request', 'lose-answer']), afterMs: 0 };
}
