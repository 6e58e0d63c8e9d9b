import { describe, expect, it } from 'vitest';
import { playSeeds } from './seeds.ts';
import { simulate } from './simulate.ts';

/** More of them: `npm run simulate -- --count 10000`. */
const SEEDS = 200;

describe('the whole protocol', () => {
  it(`keeps what must always hold, for ${SEEDS} seeds`, { timeout: 900_000 }, async () => {
    const failed: string[] = [];
    const ended = new Map<string, number>();
    for await (const { seed, violations, ended: states } of playSeeds(1, SEEDS)) {
      if (violations.length > 0)
        failed.push(`seed ${seed}: ${violations.join('; ')} (npm run simulate -- --seed ${seed})`);
      for (const state of states) ended.set(state, (ended.get(state) ?? 0) + 1);
    }
    expect(failed).toEqual([]);
    // A world in which nothing fails, or nothing succeeds, would prove little.
    for (const state of ['committed', 'failed', 'aborted']) expect(ended.get(state)).toBeGreaterThan(SEEDS / 20);
  });

  it('replays a seed exactly', async () => {
    for (const seed of [3, 17, 94]) {
      const { digest, steps } = await simulate(seed);
      expect(await simulate(seed, { keepLog: true })).toMatchObject({ digest, steps });
    }
    expect((await simulate(3)).digest).not.toBe((await simulate(4)).digest);
  });
});
