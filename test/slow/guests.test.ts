import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findKernel } from '../../bin/demo/live/linux.ts';
import { findProgram } from '../../bin/demo/live/needs.ts';
import { move } from '../guests/move.ts';
import { World } from '../guests/world.ts';

const canRun = findKernel() !== undefined && existsSync('/bin/busybox') && findProgram('qemu-system-x86_64');

/** `npm run guests` in short: there with its memory while it works, and back while it rests. */
describe('a Linux guest of two disks that works as a database does', () => {
  it.skipIf(!canRun && process.env.CI === undefined)(
    'moves there and back, and loses nothing',
    { timeout: 400_000 },
    async () => {
      const seed = Date.now() % 1_000_000;
      const world = await World.start(seed);
      try {
        for (const idle of [false, true]) {
          const { faults } = await move(world, seed, { idle });
          expect(faults, `seed ${seed}`).toEqual([]);
        }
      } finally {
        await world.end();
      }
    },
  );
});
