import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { MigrationView } from '../../core/api/views.ts';
import { describeWithQemu, qemuImg, qemuIo } from '../disk/qemu.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate } from './play.ts';
import { filesIn, type LayerSpec, writeChain, writeLayer } from './support.ts';

const hosts = twoHosts();
const KiB = 1024;
const MiB = 1024 * KiB;

const os: LayerSpec = { name: 'os.qcow2', patches: [{ at: 0, length: MiB, seed: 1 }] };
const we: LayerSpec = {
  name: 'we.qcow2',
  clusterBytes: 4 * KiB,
  patches: [
    { at: 512 * KiB, length: 256 * KiB, seed: 2 },
    { at: 64 * KiB, length: 128 * KiB },
  ],
};
const ud = (name: string, seed: number): LayerSpec => ({
  name,
  patches: [
    { at: 2 * MiB, length: 512 * KiB, seed },
    { at: 600 * KiB, length: 20 * KiB },
    { at: 3 * MiB, length: 64 * KiB },
  ],
});

const treatments = ({ vms }: MigrationView) => vms.map((vm) => vm.layers.map((layer) => layer.treatment));
const evidence = async (migration: string) => {
  const { vms } = await hosts.cloud().api.call('getReceipts', { params: { migration } });
  return vms.map(({ source, destination }) =>
    [source, destination].map((receipt) => receipt?.layers.map((layer) => layer.evidence)),
  );
};
const committed = (vms: number) => ({
  state: 'committed',
  vms: Array.from({ length: vms }, () => ({ state: 'committed', equal: true })),
});

describe('a migration between two agents', () => {
  it('brings a chain of three layers, and the next VM only brings what is new', async () => {
    const [, base] = await writeChain(hosts.at('a'), [os, we, ud('web-1.qcow2', 3)]);
    await writeLayer(hosts.at('a'), ud('web-2.qcow2', 4), base);
    await hosts.start('a');
    await hosts.start('b');
    const first = await migrate(hosts.cloud(), { vms: ['web-1'], to: 'b/h1' });
    const view = await first.ended;
    expect(view).toMatchObject(committed(1));
    expect(treatments(view)).toEqual([['dedup', 'dedup', 'direct']]);
    expect(filesIn(hosts.at('b'))).toEqual(['os.qcow2', 'we.qcow2', 'web-1.qcow2']);
    await expectEqual(hosts.at('a', 'web-1.qcow2'), hosts.at('b', 'web-1.qcow2'));
    const read = ['read', 'read', 'read'];
    expect(await evidence(first.id)).toEqual([[read, read]]);
    // Nothing of the migration's own is left in the store, no manifest of a disk that is written to on the hosts.
    expect(await hosts.cloud().ports.objects.list(`ns/default/migrations/`, 1)).toEqual([]);
    for (const site of ['a', 'b']) expect(readdirSync(hosts.at(site, '.layermover', 'manifests'))).toHaveLength(2);

    const second = await migrate(hosts.cloud(), { vms: ['web-2'], to: 'b/h1' });
    const next = await second.ended;
    expect(next).toMatchObject(committed(1));
    expect(treatments(next)).toEqual([['skip', 'skip', 'direct']]);
    expect(next.vms[0]!.layers.map((layer) => layer.wire_bytes > 0)).toEqual([false, false, true]);
    await expectEqual(hosts.at('a', 'web-2.qcow2'), hosts.at('b', 'web-2.qcow2'));
    const known = ['catalogued', 'catalogued', 'read'];
    expect(await evidence(second.id)).toEqual([[known, known]]);
  });

  it('brings VMs that share their bases as one, and files of the same name side by side', async () => {
    for (const vm of ['web-1', 'web-2']) mkdirSync(hosts.at('a', vm));
    await writeChain(hosts.at('a'), [os, we]);
    for (const [at, vm] of ['web-1', 'web-2'].entries()) {
      await writeLayer(hosts.at('a'), ud('disk.qcow2', at + 3), hosts.at('a', 'we.qcow2'), { into: vm });
    }
    writeFileSync(hosts.at('b', 'disk.qcow2'), 'not ours');
    await hosts.start('a', {
      'web-1': hosts.at('a', 'web-1', 'disk.qcow2'),
      'web-2': hosts.at('a', 'web-2', 'disk.qcow2'),
    });
    await hosts.start('b');
    const { id, ended } = await migrate(hosts.cloud(), { vms: ['web-1', 'web-2'], to: 'b/h1' });
    const view = await ended;
    expect(view).toMatchObject(committed(2));
    expect(view.vms[1]!.layers.map((layer) => layer.shared)).toEqual([true, true, false]);
    const mark = id.slice(1, 9);
    const files = [`disk-${mark}-2.qcow2`, `disk-${mark}.qcow2`, 'disk.qcow2', 'os.qcow2', 'we.qcow2'];
    expect(filesIn(hosts.at('b'))).toEqual(files);
    await expect
      .poll(async () => (await hosts.cloud().api.call('listHosts')).hosts.find(({ host }) => host === 'b/h1')?.vms)
      .toEqual(['disk', 'web-1', 'web-2']);
    const { vms } = await hosts.cloud().api.call('getReceipts', { params: { migration: id } });
    for (const { vm, destination } of vms)
      await expectEqual(hosts.at('a', vm, 'disk.qcow2'), hosts.at('b', destination!.layers.at(-1)!.name));
  });

  it('brings a VM back beside its old files, from where it arrived', async () => {
    await writeChain(hosts.at('a'), [os, ud('web-1.qcow2', 3)]);
    await hosts.start('a');
    await hosts.start('b');
    expect(await (await migrate(hosts.cloud(), { vms: ['web-1'], to: 'b/h1' })).ended).toMatchObject(committed(1));
    await writeLayer(hosts.at('b'), ud('more.qcow2', 9), hosts.at('b', 'os.qcow2'), { over: 'web-1.qcow2' });
    const back = await migrate(hosts.cloud(), { vms: ['web-1'], to: 'a/h1' });
    const view = await back.ended;
    expect(view).toMatchObject(committed(1));
    expect(treatments(view)).toEqual([['skip', 'direct']]);
    const name = `web-1-${back.id.slice(1, 9)}.qcow2`;
    expect(filesIn(hosts.at('a'))).toEqual(['os.qcow2', name, 'web-1.qcow2']);
    await expectEqual(hosts.at('b', 'web-1.qcow2'), hosts.at('a', name));
  });

  const shapes: [string, LayerSpec[], Parameters<typeof migrate>[1]['policy'], number][] = [
    [
      'a raw file of an odd size',
      [{ name: 'vm.raw', format: 'raw', patches: [{ at: 0, length: 100 * KiB, seed: 5 }] }],
      'auto',
      MiB + 777,
    ],
    [
      'a chain on a raw base',
      [{ name: 'os.img', format: 'raw', patches: os.patches }, ud('vm.qcow2', 6)],
      'direct',
      4 * MiB,
    ],
    [
      'version 2 with zeros over nothing',
      [
        { ...os, version: 2, patches: [...os.patches, { at: 2 * MiB, length: MiB }] },
        { ...ud('vm.qcow2', 7), version: 2 },
      ],
      'dedup',
      4 * MiB,
    ],
  ];
  it.each(shapes)('brings %s', async (_, layers, policy, virtualBytes) => {
    const paths = await writeChain(hosts.at('a'), layers, virtualBytes);
    await hosts.start('a');
    await hosts.start('b');
    const request = { to: 'b/h1' as const, policy: policy!, chunk_bytes: 4 * KiB };
    const view = await (await migrate(hosts.cloud(), { vms: ['vm'], ...request })).ended;
    expect(view.error ?? view.vms[0]?.error).toBeUndefined();
    expect(view).toMatchObject(committed(1));
    if (policy !== 'auto') expect(treatments(view).flat()).toEqual(layers.map(() => policy));
    const name = layers.at(-1)!.name;
    await expectEqual(paths.at(-1)!, hosts.at('b', name));
  });
});

describeWithQemu('chains made by qemu-img', () => {
  it('of version 2 arrive with their zeros', async () => {
    const at = (name: string) => hosts.at('a', name);
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', at('os.qcow2'), '16M');
    await qemuIo(at('os.qcow2'), 'write -P 1 0 1M', 'write -P 0 9M 256k');
    await qemuImg(
      'create',
      '-q',
      '-f',
      'qcow2',
      '-o',
      'compat=0.10',
      '-b',
      'os.qcow2',
      '-F',
      'qcow2',
      at('web-1.qcow2'),
    );
    await qemuIo(at('web-1.qcow2'), 'write -P 5 4M 1M', 'write -P 0 0 64k', 'write -P 0 12M 64k');
    await hosts.start('a');
    await hosts.start('b');
    const view = await (await migrate(hosts.cloud(), { vms: ['web-1'], to: 'b/h1' })).ended;
    expect(view.error).toBeUndefined();
    expect(view).toMatchObject(committed(1));
    await expectEqual(at('web-1.qcow2'), hosts.at('b', 'web-1.qcow2'));
  });

  it('arrive as chains that qemu-img finds whole and equal, layer by layer', async () => {
    const at = (name: string) => hosts.at('a', name);
    await qemuImg('create', '-q', '-f', 'qcow2', at('os.qcow2'), '16M');
    await qemuIo(at('os.qcow2'), 'write -P 1 0 3M', 'write -P 2 8M 1M', 'write -P 0 9M 64k');
    await qemuImg(
      'create',
      '-q',
      '-f',
      'qcow2',
      '-o',
      'cluster_size=4k',
      '-b',
      'os.qcow2',
      '-F',
      'qcow2',
      at('we.qcow2'),
    );
    await qemuIo(at('we.qcow2'), 'write -P 3 1M 512k', 'write -z 2M 300k', 'write -P 4 5000k 3k');
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'we.qcow2', '-F', 'qcow2', at('web-1.qcow2'));
    await qemuIo(at('web-1.qcow2'), 'write -P 5 4M 1M', 'write -z 0 64k', 'write -P 6 12000k 5k');
    await hosts.start('a');
    await hosts.start('b');
    const view = await (await migrate(hosts.cloud(), { vms: ['web-1'], to: 'b/h1' })).ended;
    expect(view).toMatchObject(committed(1));
    for (const name of ['os.qcow2', 'we.qcow2', 'web-1.qcow2']) {
      await qemuImg('compare', at(name), hosts.at('b', name));
      await qemuImg('check', '-q', hosts.at('b', name));
    }
    const chain = JSON.parse(await qemuImg('info', '--output=json', '--backing-chain', hosts.at('b', 'web-1.qcow2')));
    expect(chain.map((image: Record<string, unknown>) => image['backing-filename'])).toEqual([
      'we.qcow2',
      'os.qcow2',
      undefined,
    ]);
  });
});
