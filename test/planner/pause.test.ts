import { describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { forecastPause } from '../../core/planner/pause.ts';

const MB = 1e6;
const wish = { maxDowntimeMs: limits.downtime_ms_default, onNoConvergence: 'throttle' } as const;
const facts = {
  dataBytes: 2000 * MB,
  diskBytes: 20_000 * MB,
  compressed: 0.5,
  hash: 1000 * MB,
  compress: 400 * MB,
  up: 12.5 * MB,
  guestWrites: 0,
};

describe('the pause of a running VM, before its first round', () => {
  it('of one that writes nothing is what a pause takes at the least', () => {
    expect(forecastPause(facts, wish)).toEqual({ rounds: 1, laterMs: 0, pauseMs: limits.cutover_fixed_ms });
  });

  it('of one that writes less than the link takes comes down in rounds', () => {
    const { rounds, laterMs, pauseMs } = forecastPause({ ...facts, guestWrites: 2 * MB }, wish);
    expect(rounds).toBeGreaterThan(1);
    expect(laterMs).toBeGreaterThan(0);
    expect(pauseMs).toBeLessThanOrEqual(wish.maxDowntimeMs);
  });

  it('of one that writes more than the link takes is as the user wishes', () => {
    const busy = { ...facts, guestWrites: 100 * MB };
    expect(forecastPause(busy, { ...wish, onNoConvergence: 'abort' }).pauseMs).toBeUndefined();
    const taken = forecastPause(busy, { ...wish, onNoConvergence: 'cutover' });
    expect(taken.pauseMs).toBeGreaterThan(wish.maxDowntimeMs);
    expect(forecastPause(busy, wish).pauseMs).toBeLessThan(taken.pauseMs!);
    expect(forecastPause(busy, wish).rounds).toBeLessThanOrEqual(limits.rounds_max);
  });
});
