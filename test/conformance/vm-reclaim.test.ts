import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryVmRegistry } from '../../adapters/memory/vm-registry.ts';
import type { VmRegistry } from '../../core/ports.ts';
import { type TableCloud, tableClouds } from './support/clouds.ts';
import { fresh, freshMigration } from './support/samples.ts';

const NAMESPACE = 'default';
const SOURCE = 'a/h1';
const DESTINATION = 'b/h2';

/** What the parties of one migration of one VM may do with it. */
function parties(registry: VmRegistry, vm: string, migration: string, epoch = 0) {
  return {
    commit: () => registry.commit(NAMESPACE, vm, { migration, to: DESTINATION, epoch }),
    reclaim: (force = false) => registry.reclaim(NAMESPACE, vm, { migration, source: SOURCE, epoch, force }),
    run: () => registry.run(NAMESPACE, vm, { migration, owner: DESTINATION }),
    release: () => registry.release(NAMESPACE, vm, migration),
    found: () => registry.find(NAMESPACE, vm),
  };
}

describe.each(tableClouds)('taking a VM back on $name', ({ start }) => {
  let cloud: TableCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  async function leased() {
    const [vm, migration] = [fresh('vm'), freshMigration()];
    const untilMs = cloud.clock.nowMs() + 1000;
    await cloud.here.vms.lease(NAMESPACE, vm, SOURCE, { migration, untilMs }, cloud.clock.nowMs());
    const here = parties(cloud.here.vms, vm, migration);
    const there = parties(cloud.there.vms, vm, migration);
    return { vm, migration, here, there };
  }

  it('before its commit ends the lease, and no late commit passes', async () => {
    const { vm, here, there } = await leased();
    const back = { vm, owner: SOURCE, epoch: 1 };
    expect(await here.reclaim()).toEqual(back);
    expect(await there.reclaim()).toEqual(back);
    await expect(there.commit()).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    expect(await there.found()).toEqual(back);
  });

  it('after its commit makes the source the owner again, once, and the destination must not run it', async () => {
    const { vm, migration, here, there } = await leased();
    await here.commit();
    const back = { vm, owner: SOURCE, epoch: 2, takenBack: migration };
    expect(await there.reclaim()).toEqual(back);
    expect(await here.reclaim()).toEqual(back);
    await expect(there.run()).rejects.toMatchObject({ code: 'VM_OWNED_ELSEWHERE', data: { owner: SOURCE } });
    await expect(here.commit()).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    expect(await there.found()).toEqual(back);
  });

  it('once it runs at the destination is refused, unless an operator forces it', async () => {
    const { vm, migration, here, there } = await leased();
    await expect(there.run()).rejects.toMatchObject({ code: 'VM_OWNED_ELSEWHERE' });
    await here.commit();
    const runs = { vm, owner: DESTINATION, epoch: 1, broughtBy: migration, runs: true };
    expect(await there.run()).toEqual(runs);
    expect(await here.run()).toEqual(runs);
    await expect(here.reclaim()).rejects.toMatchObject({ code: 'VM_RUNS_ELSEWHERE', data: { owner: DESTINATION } });
    expect(await there.found()).toEqual(runs);
    expect(await here.reclaim(true)).toMatchObject({ owner: SOURCE, epoch: 2 });
  });

  it('that has moved on, or was never leased, is refused', async () => {
    const { vm, here, there } = await leased();
    await here.commit();
    const next = freshMigration();
    const untilMs = cloud.clock.nowMs() + 1000;
    await cloud.here.vms.lease(NAMESPACE, vm, DESTINATION, { migration: next, untilMs }, cloud.clock.nowMs());
    await expect(there.reclaim(true)).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    await cloud.here.vms.commit(NAMESPACE, vm, { migration: next, to: 'c/h3', epoch: 1 });
    await expect(there.reclaim(true)).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    await expect(there.run()).rejects.toMatchObject({ code: 'VM_OWNED_ELSEWHERE' });
    const unseen = parties(cloud.here.vms, fresh('vm'), next);
    await expect(unseen.reclaim()).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    await expect(unseen.run()).rejects.toMatchObject({ code: 'VM_OWNED_ELSEWHERE' });
  });

  it('of an earlier lease does nothing to a later one', async () => {
    const { vm, migration, here } = await leased();
    await here.release();
    const untilMs = cloud.clock.nowMs() + 1000;
    await cloud.here.vms.lease(NAMESPACE, vm, SOURCE, { migration, untilMs }, cloud.clock.nowMs());
    expect(await here.reclaim()).toMatchObject({ owner: SOURCE, epoch: 1, lease: { migration } });
    expect((await parties(cloud.there.vms, vm, migration, 1).commit()).owner).toBe(DESTINATION);
  });

  it('and the commit, at the same time: the VM is the source’s, and no commit passes afterwards', async () => {
    for (let round = 0; round < 8; round++) {
      const { here, there } = await leased();
      const [committed, back] = await Promise.allSettled([here.commit(), there.reclaim()]);
      expect(back.status).toBe('fulfilled');
      expect(await here.found()).toMatchObject({ owner: SOURCE, epoch: committed.status === 'fulfilled' ? 2 : 1 });
      await expect(here.commit()).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    }
  });

  it('and the word that it runs, at the same time: exactly one passes', async () => {
    for (let round = 0; round < 8; round++) {
      const { here, there } = await leased();
      await here.commit();
      const asked = round % 2 === 0 ? [there.run(), here.reclaim()] : [here.reclaim(), there.run()];
      const outcomes = await Promise.allSettled(asked);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const runs = outcomes[round % 2 === 0 ? 0 : 1]?.status === 'fulfilled';
      expect((await here.found())?.owner).toBe(runs ? DESTINATION : SOURCE);
    }
  });
});

describe('in whatever order a migration’s parties act', () => {
  const acts = fc.array(fc.constantFrom('commit', 'reclaim', 'run', 'release'), { maxLength: 12 });

  it('a VM has one owner, and never runs at both', async () => {
    await fc.assert(
      fc.asyncProperty(acts, async (order) => {
        const registry = createMemoryVmRegistry();
        const [vm, migration] = ['web-1', freshMigration()];
        const { owner } = await registry.lease(NAMESPACE, vm, SOURCE, { migration, untilMs: 1 }, 0);
        expect(owner).toBe(SOURCE);
        const its = parties(registry, vm, migration);
        const passed = new Set<string>();
        let epoch = 0;
        for (const act of order) {
          await its[act as 'run']().then(
            () => passed.add(act),
            () => undefined,
          );
          const now = (await its.found())!;
          expect(now.epoch).toBeGreaterThanOrEqual(epoch);
          epoch = now.epoch;
          // Who was told that the VM is his is its owner, and stays it.
          if (passed.has('reclaim')) expect(now.owner).toBe(SOURCE);
          if (passed.has('run')) expect(now.owner).toBe(DESTINATION);
          expect(passed.has('run') && passed.has('reclaim')).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });
});
