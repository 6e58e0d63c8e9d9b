import { describe, expect, it } from 'vitest';
import { drawPlay, play } from '../kills/play.ts';

/** Some runs of `npm run kills`, chosen so that each strikes, and at moments that differ. */
const SEEDS = [2, 4, 7, 1000, 1003, 1007] as const;

describe('kill -9 in the middle of a migration', () => {
  it.each(SEEDS)('seed %i: the same command again brings an equal VM, and nothing is left behind', async (seed) => {
    const { problems, struck, folder } = await play(drawPlay(seed));
    expect(problems, `the run's folder is ${folder}`).toEqual([]);
    expect(struck).toBeGreaterThan(0);
  });
});
