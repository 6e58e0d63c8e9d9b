import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { clockIn, hasFakeTime } from '../kills/set-clock.ts';
import { cannotMount, enlarge, onSmallDisk, seenBy } from '../kills/small-disk.ts';
import { lastLine, Trip, until } from '../kills/trip.ts';
import type { Ended } from '../kills/world.ts';

/** Faults of the world: full disks, a lost network, clocks that jump. `LAYERMOVER_OUTAGE_SECONDS=60` makes the outages long. */
const OUTAGE_MS = Number(process.env.LAYERMOVER_OUTAGE_SECONDS ?? 5) * 1000;
const HOUR = 3600;
const DAY = 24 * HOUR;
const MiB = 2 ** 20;

let trip: Trip;
afterEach(() => trip.close());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function errorOf(ended: Ended) {
  return lastLine(ended).error as { code: string; message: string; hint: string; data: Record<string, number> };
}

async function expectArrived(ended: Ended): Promise<void> {
  expect(ended.stderr).not.toContain('error');
  expect(ended.code).toBe(0);
  expect(await trip.judge()).toEqual([]);
}

/** Goes on with the migration that failed. */
function resume(failed: Ended): Promise<Ended> {
  return trip.world.call('resume', String(lastLine(failed).migration)).ended;
}

const isSending = () => [...trip.world.front.putBytes.keys()].some((key) => key.includes('/packs/'));

describe('a network that is lost for a while', () => {
  it.each(OUTAGE_MS < 30_000 ? (['refused'] as const) : (['refused', 'black-hole'] as const))(
    '(%s) delays a migration, and fails nothing',
    async (weather) => {
      trip = await Trip.prepare({ os: 8, we: 1, top: 4 });
      await trip.startAgents();
      const call = trip.migrate();
      await until('packs are sent', isSending);
      trip.world.front.setWeather(weather);
      await pause(OUTAGE_MS);
      trip.world.front.setWeather('fine');
      let ended = await call.ended;
      if (ended.code === 4) ended = await trip.migrate().ended;
      await expectArrived(ended);
    },
  );

  it('or slow brings all the same', async () => {
    trip = await Trip.prepare({ os: 1, we: 1, top: 1 });
    await trip.startAgents();
    trip.world.front.setWeather({ bytesPerSecond: MiB });
    await expectArrived(await trip.migrate().ended);
  });
});

describe('a full disk at the destination', () => {
  it.skipIf(cannotMount)(
    `is named, with what is missing, leaves nothing half done, and is no end [${cannotMount ?? 'tmpfs'}]`,
    async () => {
      trip = await Trip.prepare({ os: 6, we: 1, top: 2 });
      const { world } = trip;
      const images = world.imagesOf('b');
      const b = world.agent('b', onSmallDisk(images, 4));
      await Promise.all([world.agent('a').start(), b.start()]);
      await world.enrolled();
      const failed = await trip.migrate().ended;
      expect(failed.code).toBe(1);
      const { code, message, hint, data } = errorOf(failed);
      expect(code).toBe('DISK_FULL');
      expect(message).toContain(images);
      expect(message).toContain('missing');
      expect(hint).toContain('resume');
      expect(data.missingBytes).toBe(data.neededBytes! - data.freeBytes!);
      expect(readdirSync(seenBy(b, images))).toEqual(['.layermover']);
      enlarge(b, images, 64);
      const ended = await resume(failed);
      expect(ended.stderr).not.toContain('error');
      expect(readdirSync(seenBy(b, images)).sort()).toEqual(['.layermover', 'os.qcow2', 'we.qcow2', 'web-1.qcow2']);
    },
  );

  it('or a limit of file sizes, in the middle of a file, too', async () => {
    trip = await Trip.prepare({ os: 3, we: 1, top: 1 });
    const { world } = trip;
    const b = world.agent('b', { wrap: ['prlimit', `--fsize=${2 * MiB}:unlimited`] });
    await Promise.all([world.agent('a').start(), b.start()]);
    await world.enrolled();
    const failed = await trip.migrate().ended;
    expect([failed.code, errorOf(failed).code]).toEqual([1, 'DISK_FULL']);
    expect(errorOf(failed).hint).toContain('ulimit');
    expect(readdirSync(world.imagesOf('b'))).toEqual(['.layermover']);
    execFileSync('prlimit', ['--pid', String(b.pid), '--fsize=unlimited']);
    await expectArrived(await resume(failed));
  });
});

describe('a full store', () => {
  it.skipIf(cannotMount)(
    `is told as such, tears nothing, and goes on when it has room [${cannotMount ?? 'tmpfs'}]`,
    async () => {
      trip = await Trip.prepare({ os: 6, we: 1, top: 4 }, { world: { dataMib: 24 } });
      const { cloud, data } = trip.world;
      await trip.startAgents();
      const failed = await trip.migrate().ended;
      expect([failed.code, errorOf(failed).code]).toEqual([1, 'OBJECT_STORE_FULL']);
      expect(readdirSync(trip.world.dataFile('objects', 'staging'))).toEqual([]);
      enlarge(cloud, data, 256);
      await expectArrived(await resume(failed));
    },
  );
});

describe.skipIf(!hasFakeTime)(
  `a clock that is wrong [${hasFakeTime ? 'libfaketime' : 'libfaketime is not installed'}]`,
  () => {
    it('at both agents is made up for by that of the cloud', async () => {
      trip = await Trip.prepare({ os: 1, we: 1, top: 1 });
      const { world } = trip;
      const clocks = {
        a: clockIn(path.join(world.folder, 'clock-a'), HOUR),
        b: clockIn(path.join(world.folder, 'clock-b'), -DAY),
      };
      await Promise.all([world.agent('a', clocks.a.options).start(), world.agent('b', clocks.b.options).start()]);
      await world.enrolled();
      const call = trip.migrate();
      await until('packs are sent', isSending);
      clocks.a.set(-DAY);
      clocks.b.set(DAY);
      await expectArrived(await call.ended);
    });

    it.each([
      ['forward', DAY],
      ['back', -DAY],
    ])('at the cloud, and jumps %s, ends no lease, claim or grant for good', async (_, seconds) => {
      const file = path.join(os.tmpdir(), `clock-${process.pid}-${seconds}`);
      const clock = clockIn(file);
      trip = await Trip.prepare({ os: 2, we: 1, top: 2 }, { world: clock.options });
      await trip.startAgents();
      const call = trip.migrate();
      await until('packs are sent', isSending);
      clock.set(seconds);
      await expectArrived(await call.ended);
      rmSync(file);
    });
  },
);
