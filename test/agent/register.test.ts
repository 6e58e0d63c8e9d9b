import { renameSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { MigrationView } from '../../core/api/views.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate, register } from './play.ts';
import { filesIn, type LayerSpec, writeChain } from './support.ts';

const hosts = twoHosts();
const KiB = 1024;
const MiB = 1024 * KiB;
const os: LayerSpec = { name: 'os.qcow2', patches: [{ at: 0, length: MiB, seed: 1 }] };
const we: LayerSpec = { name: 'we.qcow2', patches: [{ at: MiB, length: 256 * KiB, seed: 2 }] };
const ud = (name: string, seed: number): LayerSpec => ({ name, patches: [{ at: 2 * MiB, length: 512 * KiB, seed }] });

const treatments = ({ vms }: MigrationView) => vms.map((vm) => vm.layers.map((layer) => layer.treatment));
const wire = ({ vms }: MigrationView) => vms.map((vm) => vm.layers.map((layer) => layer.wire_bytes > 0));
const keys = (prefix: string) => hosts.cloud().ports.objects.list(prefix, 1000);
const kindsOf = (listed: readonly string[]) => [...new Set(listed.map((key) => key.split('/')[2]))].sort();
const layers = async (query = {}, namespace = 'default') =>
  (await hosts.cloud().apiOf(namespace).call('listLayers', { query })).layers;
const ALL = ['layers', 'packs', 'placements', 'segments'];

describe('a registration', () => {
  it('reads a chain once: the layers are known from then on, and nothing of them is stored', async () => {
    await writeChain(hosts.at('a'), [os, we, ud('web-1.qcow2', 3)]);
    await hosts.start('a');
    const done = await register(hosts.cloud(), { files: ['we.qcow2'], kind: 'we' });
    expect(done).toMatchObject({ state: 'done', layers: [{ kind: 'os' }, { kind: 'we', name: 'we.qcow2' }] });
    const bytes = MiB + 256 * KiB;
    expect(done.read).toEqual({ done_bytes: bytes, total_bytes: bytes });
    expect(done.layers[1]!.parent).toBe(done.layers[0]!.layer_id);
    expect(await keys('ns/')).toEqual([]);
    const listed = await layers();
    expect(listed.map(({ layer_id }) => layer_id)).toEqual(done.layers.map(({ layer_id }) => layer_id).sort());
    for (const layer of listed) expect(layer).toMatchObject({ stored: false, published: false, holders: ['a/h1'] });

    await hosts.start('b');
    const moved = await (await migrate(hosts.cloud(), { vms: ['web-1'], to: 'b/h1' })).ended;
    expect(moved.state).toBe('committed');
    const { vms } = await hosts.cloud().api.call('getReceipts', { params: { migration: moved.id } });
    const evidence = vms[0]!.source!.layers.map((layer) => layer.evidence);
    expect(evidence).toEqual(['catalogued', 'catalogued', 'read']);
    for (const layer of await layers()) expect(layer).toMatchObject({ stored: true, holders: ['a/h1', 'b/h1'] });
  });

  it('ends with the code that says why, and the host keeps its VMs', async () => {
    await writeChain(hosts.at('a'), [os, we, ud('web-1.qcow2', 3)]);
    await hosts.start('a', { 'web-1': hosts.at('a', 'web-1.qcow2') });
    const code = async (file: string) =>
      (await register(hosts.cloud(), { files: [file], kind: 'we', publish: true })).error?.code;
    expect(await code('web-1.qcow2')).toBe('LAYER_IS_VM');
    expect(await code('none.qcow2')).toBe('IMAGE_NOT_FOUND');
    expect(await code('../x.qcow2')).toMatch(/IMAGE_NOT_FOUND|IMAGE_OUTSIDE_FOLDER/);
    expect(await keys('ns/')).toEqual([]);
    expect(await layers()).toEqual([]);
    expect((await hosts.cloud().api.call('listHosts')).hosts[0]!.vms).toEqual(['web-1']);
  });

  it('takes no user data for a base, even if nobody calls it a VM any more', async () => {
    await writeChain(hosts.at('a'), [os, we, ud('web-1.qcow2', 3)]);
    await hosts.start('a');
    await hosts.start('b');
    const move = { vms: ['web-1'], to: 'b/h1' as const, policy: 'dedup' as const };
    expect((await (await migrate(hosts.cloud(), move)).ended).state).toBe('committed');
    const done = await register(hosts.cloud(), { files: ['web-1.qcow2'], kind: 'we', publish: true });
    expect(done).toMatchObject({ state: 'failed', error: { code: 'LAYER_IS_USER_DATA' } });
    expect(await keys('ns/public/')).toEqual([]);
  });
});

describe('a published layer', () => {
  it('lies in the public store alone, and another namespace takes it from there: its source sends user data only', async () => {
    await writeChain(hosts.at('a'), [os, we]);
    await hosts.start('a');
    const done = await register(hosts.cloud(), { files: ['we.qcow2'], kind: 'we', publish: true });
    expect(done.state).toBe('done');
    expect(done.layers.map((layer) => layer.published)).toEqual([true, true]);
    expect(done.sent.done_bytes).toBe(MiB + 256 * KiB);
    expect(kindsOf(await keys('ns/public/'))).toEqual(ALL);
    expect(await keys('ns/default/')).toEqual([]);
    expect(await layers({ published: 'true' }, 'other')).toMatchObject([
      { published: true, stored: false, holders: [] },
      { published: true, stored: false, holders: [] },
    ]);

    await writeChain(hosts.at('b'), [os, we, ud('db-1.qcow2', 9)]);
    await hosts.start('b', undefined, 'other');
    await hosts.start('c', undefined, 'other');
    const moved = await (await migrate(hosts.cloud(), { vms: ['db-1'], to: 'c/h1' }, 'other')).ended;
    expect(moved.state).toBe('committed');
    expect(treatments(moved)).toEqual([['dedup', 'dedup', 'direct']]);
    expect(wire(moved)).toEqual([[false, false, true]]);
    expect(moved.vms[0]!.layers.map((layer) => layer.stored)).toEqual([true, true, false]);
    await expectEqual(hosts.at('b', 'db-1.qcow2'), hosts.at('c', 'db-1.qcow2'));
    expect(await keys('ns/other/')).toEqual([]);
    // The catalog knows who used it: garbage collection counts its days from there.
    const used = await hosts.cloud().ports.layers.list('public', 9);
    expect(used.every((layer) => layer.usedMs !== undefined)).toBe(true);
  });

  it('is published once: again sends nothing', async () => {
    await writeChain(hosts.at('a'), [os, we]);
    await hosts.start('a');
    await register(hosts.cloud(), { files: ['os.qcow2'], kind: 'os', publish: true });
    const before = await keys('ns/public/');
    const again = await register(hosts.cloud(), { files: ['os.qcow2'], kind: 'os', publish: true });
    expect(again).toMatchObject({ state: 'done', sent: { wire_bytes: 0 }, layers: [{ published: true }] });
    const over = await register(hosts.cloud(), { files: ['we.qcow2'], kind: 'we', publish: true });
    expect(over).toMatchObject({ state: 'done', sent: { done_bytes: 256 * KiB } });
    expect((await keys('ns/public/')).length).toBeGreaterThan(before.length);
  });

  it('that its host changed since is read again, and is another layer', async () => {
    await writeChain(hosts.at('a'), [os]);
    await hosts.start('a');
    const first = await register(hosts.cloud(), { files: ['os.qcow2'], kind: 'os', publish: true });
    await writeChain(hosts.at('b'), [{ ...os, patches: [{ at: 0, length: MiB, seed: 7 }] }]);
    renameSync(hosts.at('b', 'os.qcow2'), hosts.at('a', 'os.qcow2'));
    const second = await register(hosts.cloud(), { files: ['os.qcow2'], kind: 'os', publish: true });
    expect(second.state).toBe('done');
    expect(second.layers[0]!.layer_id).not.toBe(first.layers[0]!.layer_id);
    expect(await layers({ published: 'true' })).toHaveLength(2);
    expect(filesIn(hosts.at('a'))).toEqual(['os.qcow2']);
  });
});
