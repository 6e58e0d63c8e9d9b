import { describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { type AgentOptions, BLACKOUT } from './support/agent.ts';
import { createWorld, ended, M, MOVED, migrate, ownership, STAYED, view, type World } from './support/world.ts';

const MB = 1e6;
const LIVE = { mode: 'live' } as const;
const OPTIONS = { cutover: 'ram', max_downtime_ms: 300, on_no_convergence: 'throttle' } as const;

/** A guest whose rounds leave ever less: a tenth of what the round before left. */
const calm: AgentOptions = { leaves: ({ round }) => Math.floor((10 * MB) / 10 ** round) };
/** One whose rounds leave as much as they copy, until it is slowed down. */
const heavy: AgentOptions = {
  leaves: ({ throttle_bytes_per_second: throttle = Number.POSITIVE_INFINITY }) => (throttle > 3 * MB ? 100 * MB : MB),
};
const roundsOf = ({ source }: World) => source.seen.filter((each) => each.startsWith('round'));
const liveOf = async (world: World, at = 0) => (await view(world)).vms[at]?.live;

describe('a live migration', () => {
  it('of a gang makes rounds until the pause is short, cuts over and tells what it was', async () => {
    const world = await createWorld({ source: calm });
    await migrate(world, ['web-1', 'web-2'], LIVE);
    const found = await ended(world);
    expect(found).toMatchObject({ state: 'committed', mode: 'live', live: { cutover: 'ram', max_downtime_ms: 300 } });
    for (const vm of found.vms) {
      expect(vm).toMatchObject({ state: 'committed', equal: true, live: { blackout: BLACKOUT } });
      expect(vm.live?.rounds.map((each) => each.round)).toEqual([0, 1]);
      expect(vm.live?.predicted_blackout_ms).toBeLessThanOrEqual(300);
    }
    for (const vm of ['web-1', 'web-2']) expect(await ownership(world, vm)).toEqual(MOVED);
    expect(roundsOf(world).toSorted()).toEqual(['round 1', 'round 1', 'round 2', 'round 2']);
  });

  it('keeps its state payloads small', async () => {
    const world = await createWorld({ source: calm });
    await migrate(world, ['web-1'], LIVE);
    await ended(world);
    for (const event of await world.cloud.history(M))
      expect(JSON.stringify(event).length, event.type).toBeLessThan(limits.state_payload_bytes_max);
  });

  it('slows a guest down that writes as fast as the link, and cuts it over then', async () => {
    const world = await createWorld({ source: heavy });
    await migrate(world, ['web-1'], LIVE);
    expect(await ended(world)).toMatchObject({ state: 'committed' });
    const live = await liveOf(world);
    const throttles = live?.rounds.map((each) => each.throttle_bytes_per_second);
    expect(throttles).toEqual([undefined, undefined, 5 * MB, 2.5 * MB]);
    expect(live?.throttle_bytes_per_second).toBe(2.5 * MB);
  });

  it('leaves such a guest where it is, or takes its long pause, as the user wishes', async () => {
    const abort = await createWorld({ source: heavy });
    await migrate(abort, ['web-1'], { ...LIVE, live: { ...OPTIONS, on_no_convergence: 'abort' } });
    expect(await ended(abort)).toMatchObject({
      state: 'failed',
      error: { code: 'NO_CONVERGENCE' },
      vms: [{ state: 'rolled-back', live: { predicted_blackout_ms: 11_060 } }],
    });
    expect(await ownership(abort, 'web-1')).toEqual(STAYED);
    const forced = await createWorld({ source: heavy });
    await migrate(forced, ['web-1'], { ...LIVE, live: { ...OPTIONS, on_no_convergence: 'cutover' } });
    expect(await ended(forced)).toMatchObject({ state: 'committed' });
    expect((await liveOf(forced))?.rounds).toHaveLength(2);
  });

  it('ends though no round ever says anything sensible', async () => {
    const world = await createWorld({ source: { leaves: ({ round }) => Math.floor(2e9 * 0.85 ** round) } });
    await migrate(world, ['web-1'], LIVE);
    expect(await ended(world)).toMatchObject({ state: 'committed' });
    expect((await liveOf(world))?.rounds.length).toBeLessThanOrEqual(limits.rounds_max);
  });
});

describe('an agent that falls silent in a round', () => {
  it('and comes back makes the round again', async () => {
    let died = false;
    const world = await createWorld({
      source: {
        ...calm,
        before: ({ input }) => {
          if (died || input.kind !== 'round' || input.round !== 1) return false;
          died = true;
          world.source.alive = false;
          return true;
        },
      },
    });
    await migrate(world, ['web-1'], LIVE);
    for (let second = 0; second < limits.task_heartbeat_seconds + 30; second++) await world.cloud.time.advance(1000);
    world.source.restart();
    const found = await ended(world);
    expect(found).toMatchObject({ state: 'committed' });
    expect(found.vms[0]?.live?.rounds.map((each) => each.round)).toEqual([0, 1]);
    expect(await ownership(world, 'web-1')).toEqual(MOVED);
  });
});

describe('an abort of a live migration', () => {
  it.each(['round', 'follow', 'cutover'] as const)('while agents are at %s gives every VM back', async (kind) => {
    const hang: AgentOptions = { ...calm, before: ({ input }) => input.kind === kind };
    const world = await createWorld({ source: hang, destination: hang });
    await migrate(world, ['web-1', 'web-2'], LIVE);
    for (let second = 0; second < 20; second++) await world.cloud.time.advance(1000);
    expect([...world.source.seen, ...world.destination.seen]).toContain(`${kind} 1`);
    await world.cloud.call('abortMigration', 'user', { params: { migration: M } });
    const found = await ended(world);
    expect(found).toMatchObject({ state: 'aborted', error: { code: 'ABORTED' } });
    for (const vm of ['web-1', 'web-2']) expect(await ownership(world, vm)).toEqual(STAYED);
    expect(await world.cloud.tasks.open('default', 'a/h1')).toEqual([]);
    expect(await world.cloud.tasks.open('default', 'b/h2')).toEqual([]);
  });
});

describe('a source that took its VM back after the commit', () => {
  it('keeps it, and the migration has failed', async () => {
    const world = await createWorld({
      source: {
        ...calm,
        before: async (task) => {
          const { input, id: asked } = task;
          if (input.kind !== 'cutover') return false;
          const { epoch, chain } = input;
          const move = { migration: M, to: 'b/h2', epoch } as const;
          await world.cloud.vms.commit('default', chain.vm, move);
          const body = { vm: chain.vm, task: asked, epoch };
          await world.cloud.call('reclaim', 'h1', { params: { migration: M }, body });
          await world.source.report(task, {
            status: 'failed',
            error: { code: 'MIGRATE_FAILED', message: 'the memory did not come across' },
          });
          return true;
        },
      },
    });
    await migrate(world, ['web-1'], LIVE);
    expect(await ended(world)).toMatchObject({
      state: 'failed',
      error: { code: 'MIGRATE_FAILED' },
      vms: [{ state: 'rolled-back' }],
    });
    expect(await ownership(world, 'web-1')).toEqual({ owner: 'a/h1', epoch: 2, leased: false });
  });
});
