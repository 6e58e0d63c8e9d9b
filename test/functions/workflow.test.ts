import { describe, expect, it } from 'vitest';
import { LayerMoverError } from '../../core/errors.ts';
import { migrationScope } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import type { AgentOptions } from './support/agent.ts';
import { receipt } from './support/samples.ts';
import { createWorld, ended, M, MOVED, migrate, ownership, STAYED, view, type World } from './support/world.ts';

describe('a migration', () => {
  it('of a gang is committed, and nothing is left over', async () => {
    const world = await createWorld();
    const left = `${migrationScope('default', M)}/packs/aa/x`;
    await world.cloud.objects.put(left, [Buffer.of(1)]);
    await migrate(world);
    const found = await ended(world);
    expect(found).toMatchObject({
      state: 'committed',
      vms: [
        { equal: true, state: 'committed' },
        { equal: true, state: 'committed' },
      ],
    });
    expect(await world.cloud.execution(M)).toMatchObject({ status: 'SUCCEEDED' });
    for (const vm of ['web-1', 'web-2']) expect(await ownership(world, vm)).toEqual(MOVED);
    expect(world.source.seen).toEqual(['survey 1', 'seed 1', 'cutover 1', 'cutover 1']);
    expect(world.destination.seen.sort()).toEqual(['fetch 1', 'follow 1', 'follow 1']);
    expect(await world.cloud.objects.list(left, 1)).toEqual([]);
    const states = world.cloud.events.emitted.map((event) => event.state);
    expect(states).toEqual(['requested', 'preparing', 'seeding', 'moving', 'committed']);
  });

  it('keeps its state payloads small', async () => {
    const world = await createWorld();
    await migrate(world);
    await ended(world);
    for (const event of await world.cloud.history(M))
      expect(JSON.stringify(event).length, event.type).toBeLessThan(limits.state_payload_bytes_max);
  });

  it('back and forth is two migrations, the second of which finds all base layers there', async () => {
    const world = await createWorld();
    await migrate(world);
    await ended(world);
    const again = await world.cloud.refused('createMigration', 'user', {
      body: { request_id: 'request-1', vms: ['web-1'], to: 'a/h1' },
    });
    expect(again.code).toBe('REQUEST_ID_REUSED');
    await world.cloud.layers.announce(
      'default',
      'a/h1',
      (await view(world)).vms[0]!.layers.flatMap((layer) => layer.layer_id ?? []),
    );
    const body = { request_id: 'request-2', vms: ['web-1'], to: 'a/h1' as const };
    const { id } = await world.cloud.call('createMigration', 'user', { body });
    for (let second = 0; second < 30; second++) await world.cloud.time.advance(1000);
    const back = await world.cloud.call('getMigration', 'user', { params: { migration: id } });
    expect(back).toMatchObject({
      state: 'committed',
      vms: [{ layers: [{ treatment: 'skip' }, { treatment: 'skip' }, { treatment: 'direct' }] }],
    });
    expect(await ownership(world, 'web-1')).toEqual({ owner: 'a/h1', epoch: 2, leased: false });
  });
});

/** A world in which `web-1` is followed beside a fetch that fails once the VM is committed, and `web-2` waits for its bases. */
async function besideFetch() {
  const world: World = await createWorld({
    destination: {
      before: async ({ input }) => {
        if (input.kind === 'fetch') {
          while ((await ownership(world, 'web-1')).owner !== 'b/h2') await world.cloud.clock.sleep(500);
          throw new LayerMoverError('DISK_FULL', 'no room for the last base layer');
        }
        if (input.kind === 'follow' && input.chain.vm === 'web-1') {
          const destinationReceipt = receipt('destination', 'web-1', 'web-1', M);
          await world.cloud.migrations.updateVm(M, { name: 'web-1', run: 1 }, { destinationReceipt });
        }
        return input.kind === 'follow';
      },
    },
  });
  return world;
}

describe('a fetch that fails beside VMs that move', () => {
  it('gives back those that are not committed', async () => {
    const world = await besideFetch();
    await migrate(world);
    const error = { code: 'DISK_FULL' };
    expect(await ended(world)).toMatchObject({
      state: 'failed',
      error,
      vms: [{ state: 'committed' }, { state: 'rolled-back', error }],
    });
    expect(await world.cloud.execution(M)).toMatchObject({ status: 'FAILED', error: 'DISK_FULL' });
    expect([await ownership(world, 'web-1'), await ownership(world, 'web-2')]).toEqual([MOVED, STAYED]);
    for (const host of ['a/h1', 'b/h2'] as const) expect(await world.cloud.tasks.open('default', host)).toEqual([]);
  });

  it('is nobody’s error once all VMs are committed', async () => {
    const world = await besideFetch();
    await migrate(world, ['web-1']);
    const found = await ended(world);
    expect(found).toMatchObject({ state: 'committed', vms: [{ state: 'committed' }] });
    expect(found).not.toHaveProperty('error');
    expect(world.cloud.events.emitted.at(-1)).not.toHaveProperty('error');
    expect(await world.cloud.execution(M)).toMatchObject({ status: 'SUCCEEDED' });
  });
});

describe('a VM that fails', () => {
  const failing: AgentOptions = {
    before: ({ input }) => {
      if (input.kind === 'cutover' && input.chain.vm === 'web-2')
        throw new LayerMoverError('LAYER_CHANGED', 'it was written to');
      return false;
    },
  };

  it('stays with its source; the other one is committed', async () => {
    const world = await createWorld({ source: failing });
    await migrate(world);
    const found = await ended(world);
    expect(found).toMatchObject({
      state: 'failed',
      error: { code: 'LAYER_CHANGED' },
      vms: [
        { state: 'committed' },
        { state: 'rolled-back', error: { code: 'LAYER_CHANGED', message: 'it was written to' } },
      ],
    });
    expect(await world.cloud.execution(M)).toMatchObject({
      status: 'FAILED',
      error: 'LAYER_CHANGED',
      cause: 'it was written to',
    });
    expect([await ownership(world, 'web-1'), await ownership(world, 'web-2')]).toEqual([MOVED, STAYED]);
    expect((await world.cloud.tasks.find(`${M}.follow.web-2`))?.state).toBe('closed');
  });

  it('after its commit is committed all the same', async () => {
    const world = await createWorld({
      destination: {
        before: async ({ input }) => {
          if (input.kind !== 'follow') return false;
          const destinationReceipt = receipt('destination', 'web-1', 'web-1', M);
          await world.cloud.migrations.updateVm(M, { name: 'web-1', run: 1 }, { destinationReceipt });
          while ((await ownership(world, 'web-1')).epoch === 0) await world.cloud.clock.sleep(500);
          throw new LayerMoverError('DISK_FULL', 'too late to matter');
        },
      },
    });
    await migrate(world, ['web-1']);
    expect(await ended(world)).toMatchObject({ state: 'committed', vms: [{ state: 'committed' }] });
    expect(await ownership(world, 'web-1')).toEqual(MOVED);
  });

  it('before anything moved ends the migration, and no lease stays', async () => {
    const world = await createWorld();
    await migrate(world, ['web-1', 'web-9']);
    expect(await ended(world)).toMatchObject({
      state: 'failed',
      error: { code: 'VM_UNKNOWN' },
      vms: [{ state: 'rolled-back' }],
    });
    expect(await world.cloud.execution(M)).toMatchObject({ error: 'VM_UNKNOWN' });
    expect(await ownership(world, 'web-1')).toEqual(STAYED);
  });

  it('in its survey ends the migration with the agent’s own error', async () => {
    const refusing: AgentOptions = {
      before: () => {
        throw new LayerMoverError('IMAGE_HELD', 'QEMU has it open', { hint: 'stop the VM' });
      },
    };
    const world = await createWorld({ source: refusing });
    await migrate(world);
    expect(await ended(world)).toMatchObject({ state: 'failed', error: { code: 'IMAGE_HELD', hint: 'stop the VM' } });
  });
});

describe('an abort', () => {
  it.each(['survey', 'seed', 'fetch', 'follow', 'cutover'] as const)(
    'while agents are at %s gives every VM back',
    async (kind) => {
      const hang: AgentOptions = { before: ({ input }) => input.kind === kind };
      const world = await createWorld({ source: hang, destination: hang });
      await migrate(world);
      for (let second = 0; second < 10; second++) await world.cloud.time.advance(1000);
      expect([...world.source.seen, ...world.destination.seen]).toContain(`${kind} 1`);
      await world.cloud.call('abortMigration', 'user', { params: { migration: M } });
      const found = await ended(world);
      expect(found).toMatchObject({ state: 'aborted', abort_requested: true, error: { code: 'ABORTED' } });
      expect(found.vms.map((vm) => vm.state)).toEqual(['rolled-back', 'rolled-back']);
      for (const vm of ['web-1', 'web-2']) expect(await ownership(world, vm)).toEqual(STAYED);
      expect(await world.cloud.tasks.open('default', 'a/h1')).toEqual([]);
      expect(await world.cloud.tasks.open('default', 'b/h2')).toEqual([]);
    },
  );
});

describe('an agent that falls silent', () => {
  it('for good: its VM is given back, after as many attempts as are allowed', async () => {
    const world = await createWorld({ destination: { before: ({ input }) => input.kind === 'follow' && dies() } });
    const dies = () => {
      world.destination.alive = false;
      return true;
    };
    await migrate(world, ['web-1']);
    expect(await ended(world)).toMatchObject({
      state: 'failed',
      error: { code: 'AGENT_SILENT' },
      vms: [{ state: 'rolled-back' }],
    });
    expect((await world.cloud.tasks.find(`${M}.follow.web-1`))?.attempt).toBe(limits.task_attempts_max);
    expect(await ownership(world, 'web-1')).toEqual(STAYED);
  });

  it('and comes back as another run: the migration goes on', async () => {
    let died = false;
    const world = await createWorld({
      source: {
        before: ({ input }) => {
          if (died || input.kind !== 'cutover') return false;
          died = true;
          world.source.alive = false;
          return true;
        },
      },
    });
    await migrate(world, ['web-1']);
    for (let second = 0; second < limits.task_heartbeat_seconds + 20; second++) await world.cloud.time.advance(1000);
    world.source.restart();
    expect(await ended(world)).toMatchObject({ state: 'committed' });
    expect(world.source.seen.filter((each) => each.startsWith('cutover'))).toEqual(['cutover 1', 'cutover 2']);
    expect(await ownership(world, 'web-1')).toEqual(MOVED);
  });

  it('but polls while it works is not silent, however long that takes', async () => {
    const world = await createWorld({
      destination: {
        before: async ({ input }) => {
          if (input.kind === 'follow') await world.cloud.clock.sleep(limits.task_heartbeat_seconds * 5000);
          return false;
        },
      },
    });
    await migrate(world, ['web-1']);
    expect(await ended(world)).toMatchObject({ state: 'committed' });
    expect(world.destination.seen).toEqual(['fetch 1', 'follow 1']);
  });
});

describe('a step that fails', () => {
  it('for a passing reason is tried again', async () => {
    const world = await createWorld();
    const { find } = world.cloud.migrations;
    let calls = 0;
    world.cloud.migrations.find = async (id) => {
      if (calls++ % 5 === 0) throw new Error('throttled');
      return await find(id);
    };
    await migrate(world, ['web-1']);
    for (let second = 0; second < 60; second++) await world.cloud.time.advance(1000);
    world.cloud.migrations.find = find;
    expect(await ended(world)).toMatchObject({ state: 'committed' });
    expect(world.cloud.logged.length).toBeGreaterThan(3);
  });

  it('at the very end is tried for a long time, so that no migration stays without an end', async () => {
    const world = await createWorld();
    const { release } = world.cloud.vms;
    world.cloud.vms.release = async () => {
      throw new Error('outage');
    };
    await migrate(world, ['web-1']);
    for (let second = 0; second < 600; second++) await world.cloud.time.advance(1000);
    expect((await view(world)).state).toBe('moving');
    world.cloud.vms.release = release;
    expect(await ended(world)).toMatchObject({ state: 'committed' });
    expect(await world.cloud.execution(M)).toMatchObject({ status: 'SUCCEEDED' });
  });
});
