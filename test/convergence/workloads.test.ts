import { describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { BLOCK_BYTES, type Played, play, type Workload } from './guest.ts';
import { bursts, hotSet, idle, random, sequential } from './workloads.ts';

const MB = 1_000_000;
const LINK = 25 * MB;
const USED = 500 * MB;
const BLOCKS = Math.floor(USED / BLOCK_BYTES);
const MAX_DOWNTIME_MS = 300;
/** What chance may add to a pause that was predicted. */
const TOLERANCE = 1.3;

const blocksIn = (ms: number) => Math.floor((LINK * ms) / 1000 / BLOCK_BYTES);

const CALM: readonly (readonly [string, () => Workload])[] = [
  ['an idle guest', () => idle],
  ['random writes, a quarter of the link', () => random(LINK / 4, BLOCKS)],
  ['sequential writes, half of the link', () => sequential(LINK / 2, BLOCKS)],
  ['a hot set that a pause can copy', () => hotSet(LINK, blocksIn(100), BLOCKS)],
  ['short bursts faster than the link', () => bursts(LINK * 1.5, BLOCKS, 500, 5_000)],
];
const HEAVY: readonly (readonly [string, () => Workload])[] = [
  ['random writes twice as fast as the link', () => random(LINK * 2, BLOCKS)],
  ['sequential writes thrice as fast as the link', () => sequential(LINK * 3, BLOCKS)],
  ['a hot set of two seconds of the link', () => hotSet(LINK * 2, blocksIn(2_000), BLOCKS)],
];

function run(workload: Workload, onNoConvergence: 'throttle' | 'cutover' | 'abort', seed: number): Played {
  const wish = { maxDowntimeMs: MAX_DOWNTIME_MS, onNoConvergence };
  return play({ workload, usedBytes: USED, linkBytesPerSecond: LINK, wish, seed });
}

describe.each([1, 2, 3])('with chance from seed %i', (seed) => {
  it.each(CALM)('%s converges whatever the policy, and nobody slows it down', (_, workload) => {
    for (const policy of ['throttle', 'cutover', 'abort'] as const) {
      const played = run(workload(), policy, seed);
      expect(played.end, `seed ${seed}`).toBe('cutover');
      expect(played.decisions).not.toContain('throttle');
      expect(played.predictedMs).toBeLessThanOrEqual(MAX_DOWNTIME_MS);
      expect(played.pauseMs).toBeLessThanOrEqual(MAX_DOWNTIME_MS * TOLERANCE);
      expect(played.rounds.length).toBeLessThan(10);
    }
  });

  it.each(HEAVY)('%s is slowed down in steps until its pause is short', (_, workload) => {
    const played = run(workload(), 'throttle', seed);
    expect(played.end, `seed ${seed}`).toBe('cutover');
    expect(played.pauseMs).toBeLessThanOrEqual(MAX_DOWNTIME_MS * TOLERANCE);
    expect(played.rounds.length).toBeLessThanOrEqual(limits.rounds_max);
    const throttles = played.rounds.map((round) => round.throttleBytesPerSecond).filter((each) => each !== undefined);
    expect(throttles.length).toBeGreaterThan(0);
    expect(throttles).toEqual(throttles.toSorted((a, b) => b - a));
  });

  it.each(HEAVY)('%s stays where it is, or is cut over as it is, if the user wishes so', (_, workload) => {
    const aborted = run(workload(), 'abort', seed);
    expect(aborted.end, `seed ${seed}`).toBe('abort');
    expect(aborted.predictedMs).toBeGreaterThan(MAX_DOWNTIME_MS);
    const forced = run(workload(), 'cutover', seed);
    expect(forced.end, `seed ${seed}`).toBe('cutover');
    expect(forced.decisions).not.toContain('throttle');
    expect(forced.rounds).toHaveLength(aborted.rounds.length);
    expect(forced.pauseMs).toBeGreaterThan(MAX_DOWNTIME_MS);
  });

  it('the pause of an idle guest is the fixed one after a single round', () => {
    expect(run(idle, 'abort', seed)).toMatchObject({
      rounds: [{ remaining_bytes: 0 }],
      pauseMs: limits.cutover_fixed_ms,
      predictedMs: limits.cutover_fixed_ms,
    });
  });
});
