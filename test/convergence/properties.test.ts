import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mustCatchUp } from '../../core/convergence/catch-up.ts';
import { type Decision, decide } from '../../core/convergence/decide.ts';
import { estimate } from '../../core/convergence/estimate.ts';
import { ON_NO_CONVERGENCE, type OnNoConvergence } from '../../core/convergence/options.ts';
import { limits } from '../../core/limits.ts';
import type { RoundRecord } from '../../core/records.ts';

const GB = 1_000_000_000;
const downtime = fc.integer({ min: 1, max: limits.downtime_ms_max });
const policy = fc.constantFrom(...ON_NO_CONVERGENCE);

/** What an agent may say of a round, however strange. */
const said = fc.record(
  {
    dirty_bytes: fc.integer({ min: 0, max: 100 * GB }),
    sent_bytes: fc.integer({ min: 0, max: 100 * GB }),
    milliseconds: fc.integer({ min: 0, max: 24 * 3_600_000 }),
    remaining_bytes: fc.integer({ min: 0, max: 100 * GB }),
    hot_bytes: fc.integer({ min: 0, max: 100 * GB }),
    guest_write_bytes_per_second: fc.integer({ min: 0, max: 10 * GB }),
    link_bytes_per_second: fc.integer({ min: 0, max: 10 * GB }),
  },
  {
    requiredKeys: [
      'dirty_bytes',
      'sent_bytes',
      'milliseconds',
      'remaining_bytes',
      'guest_write_bytes_per_second',
      'link_bytes_per_second',
    ],
  },
);
const history = fc
  .array(said, { minLength: 1, maxLength: limits.rounds_max + 2 })
  .map((rounds) => rounds.map((each, round): RoundRecord => ({ ...each, round })));

/** Lets what is said come true until the decision ends it. */
function follow(all: readonly RoundRecord[], maxDowntimeMs: number, onNoConvergence: OnNoConvergence) {
  const rounds: RoundRecord[] = [];
  const decisions: Decision[] = [];
  for (;;) {
    const decision = decide(rounds, { maxDowntimeMs, onNoConvergence });
    decisions.push(decision);
    if (decision.decision === 'cutover' || decision.decision === 'abort') return { rounds, decisions };
    const { throttleBytesPerSecond } = decision;
    const next = all[rounds.length % all.length]!;
    rounds.push({
      ...next,
      round: rounds.length,
      ...(throttleBytesPerSecond === undefined ? {} : { throttleBytesPerSecond }),
    });
  }
}

describe('whatever rounds say', () => {
  it('they end within the bound, in the way that the user wished', () => {
    fc.assert(
      fc.property(history, downtime, policy, (all, maxDowntimeMs, onNoConvergence) => {
        const { rounds, decisions } = follow(all, maxDowntimeMs, onNoConvergence);
        expect(rounds.length).toBeLessThanOrEqual(limits.rounds_max);
        const kinds = new Set(decisions.map((each) => each.decision));
        if (onNoConvergence !== 'throttle') expect(kinds).not.toContain('throttle');
        if (onNoConvergence !== 'abort') expect(kinds).not.toContain('abort');
      }),
    );
  });

  it('the guest is slowed down ever more, in so many steps and no further than it may be', () => {
    fc.assert(
      fc.property(history, downtime, (all, maxDowntimeMs) => {
        const { rounds } = follow(all, maxDowntimeMs, 'throttle');
        const steps = rounds.map((round) => round.throttleBytesPerSecond).filter((each) => each !== undefined);
        expect(steps).toEqual(steps.toSorted((a, b) => b - a));
        expect(new Set(steps).size).toBeLessThanOrEqual(limits.throttle_steps_max);
        for (const step of steps) expect(step).toBeGreaterThanOrEqual(limits.throttle_bytes_per_second_min);
        const first = steps.length === 0 ? -1 : rounds.findIndex((round) => round.throttleBytesPerSecond !== undefined);
        if (first >= 0) expect(rounds.slice(first).every((round) => round.throttleBytesPerSecond)).toBe(true);
      }),
    );
  });

  it('a pause that is predicted to be short enough is taken, and no other while rounds may help', () => {
    fc.assert(
      fc.property(history, downtime, policy, (all, maxDowntimeMs, onNoConvergence) => {
        const { decision, predictedMs } = decide(all, { maxDowntimeMs, onNoConvergence });
        expect(predictedMs).toBeGreaterThanOrEqual(limits.cutover_fixed_ms);
        if (predictedMs! <= maxDowntimeMs) expect(decision).toBe('cutover');
        else if (onNoConvergence === 'abort') expect(decision).not.toBe('cutover');
      }),
    );
  });

  it('who allows a longer pause is never made to wait longer', () => {
    fc.assert(
      fc.property(history, downtime, downtime, (all, a, b) => {
        const [short, long] = [Math.min(a, b), Math.max(a, b)];
        const wish = (maxDowntimeMs: number) => decide(all, { maxDowntimeMs, onNoConvergence: 'abort' }).decision;
        if (wish(short) === 'cutover') expect(wish(long)).toBe('cutover');
        if (wish(long) === 'abort') expect(wish(short)).toBe('abort');
      }),
    );
  });

  it('the same rounds lead to the same decision', () => {
    fc.assert(
      fc.property(history, downtime, policy, (all, maxDowntimeMs, onNoConvergence) => {
        const wish = { maxDowntimeMs, onNoConvergence };
        expect(decide(JSON.parse(JSON.stringify(all)), wish)).toEqual(decide(all, wish));
      }),
    );
  });
});

describe('rounds that leave less each time', () => {
  it('go on, and nobody is slowed down or stopped', () => {
    const shrinking = fc.record({
      first: fc.integer({ min: 10_000_000, max: 10 * GB }),
      factor: fc.double({ min: 0.3, max: 0.85, noNaN: true }),
      rate: fc.integer({ min: 1_000_000, max: GB }),
    });
    fc.assert(
      fc.property(shrinking, policy, ({ first, factor, rate }, onNoConvergence) => {
        const rounds: RoundRecord[] = [];
        for (let bytes = first; rounds.length < limits.rounds_max - 1; bytes = Math.floor(bytes * factor)) {
          rounds.push({
            round: rounds.length,
            dirty_bytes: bytes,
            sent_bytes: bytes,
            milliseconds: Math.max(1, Math.floor((1000 * bytes) / rate)),
            remaining_bytes: Math.floor(bytes * factor),
            guest_write_bytes_per_second: Math.floor(rate * factor),
            link_bytes_per_second: rate,
          });
          const { decision } = decide(rounds, { maxDowntimeMs: limits.cutover_fixed_ms + 1, onNoConvergence });
          expect(['round', 'cutover']).toContain(decision);
          if (decision === 'cutover') return;
        }
      }),
    );
  });
});

describe('after the first round', () => {
  const first = (remaining: number, rate: number): RoundRecord[] => [
    {
      round: 0,
      dirty_bytes: rate * 10,
      sent_bytes: rate * 10,
      milliseconds: 10_000,
      remaining_bytes: remaining,
      guest_write_bytes_per_second: 0,
      link_bytes_per_second: rate,
    },
  ];
  const bytes = fc.integer({ min: 0, max: GB });
  const rates = fc.integer({ min: 1_000_000, max: GB });

  it('more that is left never makes a pause shorter, and a faster link never makes it longer', () => {
    fc.assert(
      fc.property(bytes, bytes, rates, rates, (a, b, c, d) => {
        const pause = (remaining: number, rate: number) => estimate(first(remaining, rate)).pauseMs;
        expect(pause(Math.max(a, b), c)).toBeGreaterThanOrEqual(pause(Math.min(a, b), c));
        expect(pause(a, Math.max(c, d))).toBeLessThanOrEqual(pause(a, Math.min(c, d)));
      }),
    );
  });

  it('a link that has become slower counts at once', () => {
    const [round] = first(10_000_000, 100_000_000) as [RoundRecord];
    const slower = { ...round, link_bytes_per_second: 10_000_000 };
    expect(estimate([slower]).copyBytesPerSecond).toBe(10_000_000);
    expect(estimate([round]).copyBytesPerSecond).toBe(100_000_000);
  });
});

describe('blocks that are written again and again', () => {
  const rounds = (hot: number): RoundRecord[] => {
    const both = { sent_bytes: 0, guest_write_bytes_per_second: 50_000_000, link_bytes_per_second: 0 };
    const before = { ...both, round: 0, dirty_bytes: 4 * GB, milliseconds: 40_000, remaining_bytes: 100_000_000 };
    const last = { ...both, round: 1, dirty_bytes: 100_000_000, milliseconds: 1_000, remaining_bytes: 30_000_000 };
    return [before, { ...last, hot_bytes: hot }];
  };

  it('count as what no further round gets rid of', () => {
    const [cool, hot] = [estimate(rounds(0)), estimate(rounds(30_000_000))];
    expect(hot.pauseMs).toBe(limits.cutover_fixed_ms + 300);
    expect(hot.nextPauseMs).toBe(hot.pauseMs);
    expect(cool.pauseMs).toBeLessThan(hot.pauseMs / 2);
  });

  it('are seen in two rounds of different lengths, too, if the agent does not tell', () => {
    const untold = rounds(0).map(({ hot_bytes: _, ...round }) => round);
    // The line through 40 s and 1 s begins at 28 MB.
    expect(estimate(untold).pauseMs).toBeGreaterThan(limits.cutover_fixed_ms + 270);
  });
});

describe('a cutover', () => {
  it('catches up while that gains something, so many times at the most', () => {
    expect(mustCatchUp([0])).toBe(false);
    expect(mustCatchUp([100])).toBe(true);
    expect(mustCatchUp([100, 80])).toBe(true);
    expect(mustCatchUp([100, 80, 79])).toBe(false);
    const halving = Array.from({ length: limits.cutover_rounds_max + 1 }, (_, at) => 1000 / 2 ** at);
    expect(mustCatchUp(halving.slice(0, -1))).toBe(true);
    expect(mustCatchUp(halving)).toBe(false);
  });
});
