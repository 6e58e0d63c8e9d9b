import { beforeEach, describe, expect, it } from 'vitest';
import { objectKey } from '../../core/format/keys.ts';
import type { Fate } from '../../core/garbage.ts';
import { limits } from '../../core/limits.ts';
import { expectEqual, twoHosts } from '../agent/hosts.ts';
import { migrate } from '../agent/play.ts';
import { writeChain, writeLayer } from '../agent/support.ts';
import { expectKept, idsOf, rebuild, SCOPE } from '../rebuild/support.ts';
import { age, collect, keysOf } from './support.ts';

/** Two VMs over the same base: the first brings it into the store, the second wants it at a third host. */
const hosts = twoHosts();
const KiB = 1024;
const MiB = 1024 * KiB;

beforeEach(async () => {
  const [os] = await writeChain(hosts.at('a'), [{ name: 'os.qcow2', patches: [{ at: 0, length: MiB, seed: 1 }] }]);
  for (const [name, seed] of [
    ['web-1.qcow2', 7],
    ['web-2.qcow2', 8],
  ] as const) {
    await writeLayer(hosts.at('a'), { name, patches: [{ at: 2 * MiB, length: 256 * KiB, seed }] }, os);
  }
  for (const site of ['a', 'b', 'c'] as const) await hosts.start(site);
  expect((await move('web-1', 'b')).state).toBe('committed');
});

const ports = () => hosts.cloud().ports;

async function move(vm: string, to: 'b' | 'c') {
  return (await migrate(hosts.cloud(), { vms: [vm], to: `${to}/h1`, chunk_bytes: 16 * KiB })).ended;
}

async function expectMoves(): Promise<{ stored: number }> {
  const moved = await move('web-2', 'c');
  expect(moved.state, JSON.stringify(moved.error)).toBe('committed');
  await expectEqual(hosts.at('a', 'web-2.qcow2'), hosts.at('c', 'web-2.qcow2'));
  return { stored: moved.vms[0]!.layers[0]!.stored_bytes };
}

/** Objects of the namespace by what became of them. */
const count = ({ counts }: Awaited<ReturnType<typeof collect>>, fate: Fate) =>
  Object.values(counts.objects).reduce((sum, fates) => sum + fates[fate].objects, 0);

/** A pack that nothing names, as one that is left of an aborted migration. */
async function orphan(): Promise<string> {
  const [id] = await idsOf(ports().objects, 'packs');
  for (const each of await idsOf(ports().objects, 'segments')) {
    for (const kind of ['segments', 'placements'] as const)
      await ports().objects.remove([objectKey(SCOPE, kind, each)]);
  }
  return id!;
}

async function withdraw(): Promise<void> {
  for (const { layerId } of await ports().layers.list('default', 99)) await ports().layers.erase('default', layerId);
}

describe('a garbage collection', () => {
  it('of a store that is all needed changes nothing, dry or not, however old it is', async () => {
    const before = await keysOf(ports());
    for (const dryRun of [true, false, false]) {
      const run = await collect(ports(), { dryRun });
      expect(run).toMatchObject({
        state: 'done',
        dryRun,
        counts: { layersKept: 1, layersWithdrawn: 0, rowsRemoved: 0 },
      });
      expect([count(run, 'waiting'), count(run, 'removed')]).toEqual([0, 0]);
      expect(count(run, 'needed')).toBe(before.length);
      await age(ports());
    }
    expect(await keysOf(ports())).toEqual(before);
    expect((await expectMoves()).stored).toBe(0);
  });

  it('lets what nothing needs wait for its grace, tells by a dry run what goes, then removes it from above', async () => {
    await withdraw();
    const before = await keysOf(ports());
    for (const dryRun of [true, false, false]) expect(count(await collect(ports(), { dryRun }), 'removed')).toBe(0);
    await age(ports());
    const told = await collect(ports(), { dryRun: true });
    expect(count(told, 'removed')).toBeGreaterThan(2);
    expect(await keysOf(ports())).toEqual(before);
    const removed: string[] = [];
    const { objects } = ports();
    const watched = {
      ...objects,
      remove: async (keys: readonly string[]) => {
        removed.push(...keys);
        await objects.remove(keys);
      },
    };
    const run = await collect({ ...ports(), objects: watched });
    expect(count(run, 'removed')).toBe(before.length);
    expect(run.counts.rowsRemoved).toBeGreaterThan(0);
    const order = ['layers', 'segments', 'placements', 'packs', 'garbage'];
    const kinds = removed.map((key) => order.indexOf(key.split('/')[2]!));
    expect(kinds).toEqual(kinds.toSorted());
    expect(await keysOf(ports())).toEqual([]);
    expect((await ports().index.rows('default', 0, 1)).size).toBe(0);
  });

  it('leaves nothing behind that keeps a layer from being sent anew', { timeout: 60_000 }, async () => {
    const gone = [
      ...(await idsOf(ports().objects, 'packs')).map((id) => ['packs', id] as const),
      ...(await idsOf(ports().objects, 'segments')).map((id) => ['segments', id] as const),
      ...(await idsOf(ports().objects, 'layers')).map((id) => ['layers', id] as const),
    ];
    await withdraw();
    await collect(ports());
    await age(ports());
    await collect(ports());
    expect(await keysOf(ports())).toEqual([]);
    // The fence is over.
    await age(ports(), gone);
    expect((await expectMoves()).stored).toBeGreaterThan(MiB / 2);
    await expectKept(ports());
    expect((await rebuild(hosts.cloud().api, true)).damaged).toEqual([]);
    expect(count(await collect(ports()), 'waiting')).toBe(0);
  });

  it('does not remove what came into use, though its grace was over', async () => {
    await withdraw();
    await collect(ports());
    await age(ports());
    expect((await expectMoves()).stored).toBe(0);
    const run = await collect(ports());
    expect([count(run, 'waiting'), count(run, 'removed')]).toEqual([0, 0]);
    await expectKept(ports());
  });

  it('removes packs that nothing names, and no pack that a placement names which has to wait', async () => {
    await withdraw();
    const pack = (await idsOf(ports().objects, 'packs'))[0]!;
    await ports().idle.mark('default', 'packs', pack, Date.now() - 2 * limits.garbage_grace_ms);
    expect((await collect(ports())).counts.objects.packs.removed.objects).toBe(0);
    await orphan();
    expect((await collect(ports())).counts.objects.packs.removed.objects).toBeGreaterThan(0);
    expect(await idsOf(ports().objects, 'packs')).not.toContain(pack);
  });

  it('withdraws a layer that no host holds and nobody used for the days it is told, and keeps its objects for a run', async () => {
    const [layer] = await ports().layers.list('default', 9);
    const old = { ...layer!, recordedMs: Date.now() - (limits.layer_unused_days_default + 1) * 24 * 3600_000 };
    await ports().layers.erase('default', layer!.layerId);
    await ports().layers.record('default', old);
    expect((await collect(ports())).counts, 'its hosts hold it').toMatchObject({ layersKept: 1, layersWithdrawn: 0 });
    for (const host of await ports().layers.holders('default', layer!.layerId))
      await ports().layers.withdraw('default', host, layer!.layerId);
    expect((await collect(ports(), { layerUnusedDays: 400 })).counts.layersWithdrawn).toBe(0);
    expect((await collect(ports(), { dryRun: true })).counts.layersWithdrawn).toBe(1);
    const run = await collect(ports());
    expect(run.counts).toMatchObject({ layersKept: 0, layersWithdrawn: 1 });
    expect(count(run, 'waiting')).toBe(0);
    expect(await ports().layers.list('default', 9)).toEqual([]);
    expect(count(await collect(ports()), 'needed')).toBe(0);
  });

  it('removes nothing at all while it can’t tell what a layer needs', async () => {
    const [root] = await idsOf(ports().objects, 'layers');
    await ports().objects.remove([objectKey(SCOPE, 'layers', root!)]);
    const before = await keysOf(ports());
    await expect(collect(ports())).rejects.toMatchObject({ name: 'COLLECTION_UNSURE' });
    expect(await keysOf(ports())).toEqual(before);
  });
});
