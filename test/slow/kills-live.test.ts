import { describe, expect, it } from 'vitest';
import { findProgram } from '../../bin/demo/live/needs.ts';
import { drawLivePlay, playLive } from '../kills/live/play.ts';

/** Some runs of `npm run kills -- --live`: each strikes at another side, at a request that every run makes. */
const SEEDS = [3622, 1370, 1904] as const;

const missing = ['qemu-system-x86_64', 'qemu-img'].filter((name) => findProgram(name) === undefined);
const skip = missing.length > 0 && process.env.CI === undefined;
if (skip) process.stderr.write(`skipped, ${missing.join(' and ')} not installed: kill -9 of running guests' hosts\n`);

describe.skipIf(skip)('kill -9 in the middle of a live migration', () => {
  it.each(SEEDS)(
    'seed %i: one owner, its guest runs there and nowhere else, and no acknowledged write is lost',
    async (seed) => {
      const { problems, struck, folder } = await playLive(drawLivePlay(seed));
      expect(problems, `the run's folder is ${folder}`).toEqual([]);
      expect(struck).toBeGreaterThan(0);
    },
  );
});
