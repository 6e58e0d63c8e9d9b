import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../../bin/demo/live/needs.ts';
import { planReport } from '../../bin/output/plan.ts';
import type { MigrationView } from '../../core/api/views.ts';
import { limits } from '../../core/limits.ts';
import { hashesOf } from '../kills/hashes.ts';
import { Guests, type Loop } from '../kills/live/guests.ts';
import { judgeLive, type LiveCase } from '../kills/live/judge.ts';
import { prepareLive } from '../kills/live/play.ts';
import { ownerOf } from '../kills/live/registry.ts';
import { liveRemains } from '../kills/live/remains.ts';
import { LiveStage } from '../kills/live/stage.ts';
import { lastLine } from '../kills/trip.ts';
import { World } from '../kills/world.ts';

const VM = 'web-1';
const ROUTE = [VM, '--to', 'b/h2', '--from', 'a/h1', '--live'];
/** One of them is pulled, the other one mirrored. */
const LOOPS: readonly (readonly Loop[])[] = [
  ['main', 'iothread'],
  ['iothread', 'main'],
];

const missing = ['qemu-system-x86_64', 'qemu-img'].filter((name) => findProgram(name) === undefined);
const skip = missing.length > 0 && process.env.CI === undefined;
if (skip) process.stderr.write(`skipped, ${missing.join(' and ')} not installed: guests of two disks\n`);

describe.skipIf(skip).each(LOOPS)('a guest of two disks, in %s and %s', (...loops) => {
  let world: World;
  let guests: Guests;
  let of: LiveCase;

  beforeAll(async () => {
    world = await World.open();
    guests = new Guests(world.folder, loops);
    await prepareLive(world, guests, { vms: [VM], loops, seed: 1 });
    of = { world, guests, vms: [VM], before: await hashesOf(world.imagesOf('a')), hurt: new Set() };
  });
  afterAll(async () => {
    for (const site of ['a', 'b'] as const) await guests.kill(site, VM);
    await world.close();
  });

  it('is told by plan --live what its pause will be, and nothing in its QEMU, or on a host, is touched', async () => {
    const ended = await world.call('plan', ...ROUTE).ended;
    expect(ended.code, ended.stderr).toBe(0);
    const { migration } = lastLine(ended) as { migration: MigrationView };
    expect(migration.state).toBe('planned');
    const [pause] = migration.forecast!.pauses!;
    expect(pause).toMatchObject({ vm: VM, rounds: expect.any(Number), pause_ms: expect.any(Number) });
    expect(pause!.writes_bytes_per_second).toBeGreaterThan(0);
    expect(planReport(migration, { explain: false })).toMatch(/web-1.*a pause of/);
    expect(await liveRemains(of, new Map([[VM, 'a']]))).toEqual([]);
    expect(await guests.goesOn(VM, 10_000)).toBe(true);
  });

  it('moves with its memory, and both disks have all that it acknowledged', async () => {
    const stage = new LiveStage(world, guests);
    await stage.migrate([], ['migrate', ...ROUTE, '--request-id', 'two-disks']);
    expect(await ownerOf(world, VM)).toBe('b/h2');
    expect([...stage.problems, ...(await judgeLive(of))]).toEqual([]);
  });

  it('leaves agents that end when they are told to', async () => {
    const beganMs = performance.now();
    for (const agent of world.agents.values()) await agent.stop();
    expect(performance.now() - beganMs).toBeLessThan(limits.live_idle_ms / 3);
  });
});
