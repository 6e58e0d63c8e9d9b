import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TableCloud, tableClouds } from './support/clouds.ts';
import { fresh, freshMigration } from './support/samples.ts';

const NAMESPACE = 'default';

describe.each(tableClouds)('VmRegistry on $name', ({ start }) => {
  let cloud: TableCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  const either = (i: number) => (i % 2 === 0 ? cloud.here : cloud.there).vms;
  const lease = (vm: string, migration: string, source: 'a/h1' | 'b/h2' = 'a/h1', registry = cloud.here.vms) =>
    registry.lease(NAMESPACE, vm, source, { migration, untilMs: cloud.clock.nowMs() + 1000 }, cloud.clock.nowMs());

  it('makes a VM never seen before the source’s, epoch 0', async () => {
    const [vm, migration] = [fresh('vm'), freshMigration()];
    expect(await cloud.here.vms.find(NAMESPACE, vm)).toBeUndefined();
    const untilMs = cloud.clock.nowMs() + 1000;
    const leased = { vm, owner: 'a/h1', epoch: 0, lease: { migration, untilMs } };
    expect(await lease(vm, migration)).toEqual(leased);
    expect(await cloud.there.vms.find(NAMESPACE, vm)).toEqual(leased);
    expect(await cloud.there.vms.find('other', vm)).toBeUndefined();
  });

  it('leases again to the same migration, and to another once the lease has ended', async () => {
    const [vm, first, second] = [fresh('vm'), freshMigration(), freshMigration()];
    await lease(vm, first);
    await cloud.clock.advance(400);
    expect((await lease(vm, first)).lease?.untilMs).toBe(cloud.clock.nowMs() + 1000);
    await cloud.clock.advance(999);
    await expect(lease(vm, second)).rejects.toMatchObject({ code: 'VM_LEASED', data: { vm, migration: first } });
    await cloud.clock.advance(1);
    expect((await lease(vm, second)).lease?.migration).toBe(second);
    await expect(lease(vm, first)).rejects.toMatchObject({ code: 'VM_LEASED' });
  });

  it('refuses a source that is not the owner', async () => {
    const vm = fresh('vm');
    await lease(vm, freshMigration());
    await expect(lease(vm, freshMigration(), 'b/h2')).rejects.toMatchObject({
      code: 'VM_OWNED_ELSEWHERE',
      data: { vm, owner: 'a/h1' },
    });
  });

  it('a released VM is free; a lease that is not held is not ended', async () => {
    const [vm, first, second] = [fresh('vm'), freshMigration(), freshMigration()];
    await lease(vm, first);
    await cloud.here.vms.release(NAMESPACE, vm, second);
    await expect(lease(vm, second)).rejects.toMatchObject({ code: 'VM_LEASED' });
    await cloud.there.vms.release(NAMESPACE, vm, first);
    await cloud.here.vms.release(NAMESPACE, vm, first);
    expect(await cloud.here.vms.find(NAMESPACE, vm)).toEqual({ vm, owner: 'a/h1', epoch: 1 });
    expect((await lease(vm, second)).lease?.migration).toBe(second);
    await cloud.here.vms.release(NAMESPACE, fresh('vm'), first);
  });

  it('a commit that was under way when its lease was given back does not pass, though the migration leases again', async () => {
    const [vm, migration] = [fresh('vm'), freshMigration()];
    const { epoch } = await lease(vm, migration);
    await cloud.here.vms.release(NAMESPACE, vm, migration);
    const again = await lease(vm, migration);
    expect(again.epoch).toBeGreaterThan(epoch);
    const late = cloud.there.vms.commit(NAMESPACE, vm, { migration, to: 'b/h2', epoch });
    await expect(late).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    expect(await cloud.here.vms.find(NAMESPACE, vm)).toEqual(again);
    const moved = await cloud.there.vms.commit(NAMESPACE, vm, { migration, to: 'b/h2', epoch: again.epoch });
    expect(moved.owner).toBe('b/h2');
  });

  it('commits once, answers the same again, and ends the lease', async () => {
    const [vm, migration] = [fresh('vm'), freshMigration()];
    await lease(vm, migration);
    const move = { migration, to: 'b/h2', epoch: 0 } as const;
    const moved = { vm, owner: 'b/h2', epoch: 1, broughtBy: migration };
    expect(await cloud.here.vms.commit(NAMESPACE, vm, move)).toEqual(moved);
    expect(await cloud.there.vms.commit(NAMESPACE, vm, move)).toEqual(moved);
    expect(await cloud.there.vms.find(NAMESPACE, vm)).toEqual(moved);
    await expect(lease(vm, migration)).rejects.toMatchObject({ code: 'VM_OWNED_ELSEWHERE' });
    expect((await lease(vm, freshMigration(), 'b/h2')).epoch).toBe(1);
  });

  it('refuses to commit at another epoch, without the lease, and what nobody leased; nothing changes', async () => {
    const [vm, migration, other] = [fresh('vm'), freshMigration(), freshMigration()];
    const leased = await lease(vm, migration);
    for (const move of [
      { migration, to: 'b/h2', epoch: 1 },
      { migration: other, to: 'b/h2', epoch: 0 },
    ] as const) {
      await expect(cloud.here.vms.commit(NAMESPACE, vm, move)).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    }
    expect(await cloud.here.vms.find(NAMESPACE, vm)).toEqual(leased);
    const unseen = cloud.here.vms.commit(NAMESPACE, fresh('vm'), { migration, to: 'b/h2', epoch: 0 });
    await expect(unseen).rejects.toMatchObject({ code: 'EPOCH_STALE' });
  });

  it('an expired lease that nobody took still commits; one that was taken over does not', async () => {
    const [vm, taken, first, second] = [fresh('vm'), fresh('vm'), freshMigration(), freshMigration()];
    await lease(vm, first);
    await lease(taken, first);
    await cloud.clock.advance(5000);
    await lease(taken, second);
    const move = { migration: first, to: 'b/h2', epoch: 0 } as const;
    expect((await cloud.here.vms.commit(NAMESPACE, vm, move)).epoch).toBe(1);
    await expect(cloud.here.vms.commit(NAMESPACE, taken, move)).rejects.toMatchObject({ code: 'EPOCH_STALE' });
  });

  it('a commit of long ago is stale once the VM has moved on', async () => {
    const [vm, first, second] = [fresh('vm'), freshMigration(), freshMigration()];
    await lease(vm, first);
    await cloud.here.vms.commit(NAMESPACE, vm, { migration: first, to: 'b/h2', epoch: 0 });
    await lease(vm, second, 'b/h2');
    await cloud.here.vms.commit(NAMESPACE, vm, { migration: second, to: 'a/h1', epoch: 1 });
    const late = cloud.here.vms.commit(NAMESPACE, vm, { migration: first, to: 'b/h2', epoch: 0 });
    await expect(late).rejects.toMatchObject({ code: 'EPOCH_STALE' });
    expect(await cloud.here.vms.find(NAMESPACE, vm)).toMatchObject({ owner: 'a/h1', epoch: 2 });
  });

  it('leases to exactly one of those who ask at the same time', async () => {
    for (let round = 0; round < 5; round += 1) {
      const vm = fresh('vm');
      const migrations = Array.from({ length: 6 }, freshMigration);
      const outcomes = await Promise.allSettled(migrations.map((each, i) => lease(vm, each, 'a/h1', either(i))));
      const winners = migrations.filter((_, i) => outcomes[i]?.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      expect((await cloud.here.vms.find(NAMESPACE, vm))?.lease?.migration).toBe(winners[0]);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'VM_LEASED' });
      }
    }
  });

  it('a commit and the next lease at the same time leave one owner and one story', async () => {
    for (let round = 0; round < 8; round += 1) {
      const [vm, first, second] = [fresh('vm'), freshMigration(), freshMigration()];
      await lease(vm, first);
      await cloud.clock.advance(2000);
      const [committed, taken] = await Promise.allSettled([
        cloud.here.vms.commit(NAMESPACE, vm, { migration: first, to: 'b/h2', epoch: 0 }),
        lease(vm, second, 'a/h1', cloud.there.vms),
      ]);
      expect([committed.status, taken.status].sort()).toEqual(['fulfilled', 'rejected']);
      const known = await cloud.here.vms.find(NAMESPACE, vm);
      if (committed.status === 'fulfilled') expect(known).toMatchObject({ owner: 'b/h2', epoch: 1, broughtBy: first });
      else expect(known).toMatchObject({ owner: 'a/h1', epoch: 0, lease: { migration: second } });
    }
  });

  it('the same commit many times at once is one move', async () => {
    const [vm, migration] = [fresh('vm'), freshMigration()];
    await lease(vm, migration);
    const move = { migration, to: 'b/h2', epoch: 0 } as const;
    const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => either(i).commit(NAMESPACE, vm, move)));
    for (const answer of answers) expect(answer).toEqual({ vm, owner: 'b/h2', epoch: 1, broughtBy: migration });
  });
});
