import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../adapters/memory/files.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { Catalog } from '../../agent/catalog/catalog.ts';
import { writeRecord } from '../../agent/catalog/record-folder.ts';
import { Arrivals, type ArrivedLayer, partialPath } from '../../agent/images/arrivals.ts';
import { VmFiles } from '../../agent/images/vm-files.ts';
import { eachFolder, filesIn } from './support.ts';

const folder = eachFolder();
const MIGRATION = `m${'a'.repeat(20)}`;
const VM = { name: 'web-1', kinds: ['ud' as const] };

/** Opens the state as an agent does at its start: a second time it is what a crash left. */
async function open() {
  const catalog = await Catalog.open(folder.at('.state', 'layers'));
  const vms = await VmFiles.open(folder.at('.state', 'vms'), folder.path());
  const arrivals = await Arrivals.open(folder.at('.state', 'arrivals'), { imageFolder: folder.path(), catalog, vms });
  return { catalog, vms, arrivals };
}

const layer = (role: 'base' | 'top'): ArrivedLayer => ({
  layerId: 'b'.repeat(64),
  chunkBytes: 65_536,
  role,
  kind: role === 'base' ? 'os' : 'ud',
  name: 'disk.qcow2',
  parent: null,
  below: null,
  virtualBytes: 1,
  dataBytes: 1,
  container: { format: 'raw', cluster_bytes: 65_536 },
  migration: MIGRATION,
});

async function arrive(arrivals: Arrivals, vm?: typeof VM) {
  const reserved = await arrivals.reserve('disk.qcow2', MIGRATION, vm);
  writeFileSync(partialPath(reserved), 'content');
  return arrivals.arrived(reserved, layer(vm === undefined ? 'base' : 'top'));
}

const journal = () => readdirSync(folder.at('.state', 'arrivals'));

describe('a name that an earlier run gave', () => {
  it('is on disk before the arrival is forgotten, though that run died before it was', async () => {
    const files = new MemoryFiles({ nowMs: () => 0, chance: () => 0.99 });
    await files.makeFolder('/images');
    const start = async () => {
      const catalog = await Catalog.open('/images/.state/layers', files);
      const vms = await VmFiles.open('/images/.state/vms', '/images', files);
      const into = { imageFolder: '/images', catalog, vms };
      return { vms, arrivals: await Arrivals.open('/images/.state/arrivals', into, files) };
    };
    const { arrivals } = await start();
    const reserved = await arrivals.reserve('disk.qcow2', MIGRATION, VM);
    await (await files.open(partialPath(reserved), 'create')).sync();
    await arrivals.arrived(reserved, layer('top'));
    await files.rename(partialPath(reserved), reserved.path);
    files.kill();

    const next = await start();
    await next.arrivals.placeVm(next.arrivals.waiting()[0]!);
    files.crash();
    expect(files.paths('/images').filter((path) => !path.includes('.state'))).toEqual(['/images/disk.qcow2']);
    expect((await start()).vms.all()).toMatchObject([{ name: VM.name, disks: [{ top: '/images/disk.qcow2' }] }]);
  });
});

describe('a VM of two disks', () => {
  const bring = async (arrivals: Arrivals, disk: string) => {
    const vm = { ...VM, disk, disks: 2 };
    const reserved = await arrivals.reserve(`${disk}.qcow2`, MIGRATION, vm);
    writeFileSync(partialPath(reserved), disk);
    await arrivals.arrived(reserved, layer('top'));
  };

  it('has arrived when both have, and is noted with both', async () => {
    const { arrivals } = await open();
    await bring(arrivals, 'root');
    expect(arrivals.waiting()).toEqual([]);
    await bring(arrivals, 'data');
    const next = await open();
    const [waiting] = next.arrivals.waiting();
    expect(waiting?.disks.map(({ vm }) => vm.disk)).toEqual(['data', 'root']);
    await next.arrivals.placeVm(waiting!);
    expect((await open()).vms.all()).toEqual([
      {
        name: VM.name,
        disks: ['data', 'root'].map((disk) => ({ disk, kinds: VM.kinds, top: folder.at(`${disk}.qcow2`) })),
      },
    ]);
    expect(journal()).toEqual([]);
  });

  it('of which one had not come at a crash has none', async () => {
    await bring((await open()).arrivals, 'root');
    expect((await open()).arrivals.waiting()).toEqual([]);
    expect(filesIn(folder.path())).toEqual([]);
    expect(journal()).toEqual([]);
  });

  it('keeps both if the crash came when it was noted, and one of them not yet done with', async () => {
    const { arrivals } = await open();
    await bring(arrivals, 'root');
    await bring(arrivals, 'data');
    const [waiting] = arrivals.waiting();
    const [record] = journal();
    const kept = readFileSync(folder.at('.state', 'arrivals', record!));
    await arrivals.placeVm(waiting!);
    writeFileSync(folder.at('.state', 'arrivals', record!), kept);
    const next = await open();
    expect(next.arrivals.waiting()).toEqual([]);
    expect(filesIn(folder.path())).toEqual(['data.qcow2', 'root.qcow2']);
    expect(journal()).toEqual([]);
  });
});

describe('a VM that arrived when VMs had one disk', () => {
  it('is known as it was', async () => {
    const old = { name: 'web-1', top: 'disk.qcow2', kinds: ['os', 'ud'], migration: MIGRATION };
    await systemFiles.makeFolder(folder.at('.state', 'vms'));
    await writeRecord(systemFiles, folder.at('.state', 'vms', 'web-1.json'), old);
    const disks = [{ top: folder.at('disk.qcow2'), kinds: ['os', 'ud'] }];
    expect((await open()).vms.all()).toEqual([{ name: 'web-1', disks }]);
  });
});

describe('arriving files', () => {
  it('get names that nothing else has, even if they are reserved at the same time', async () => {
    writeFileSync(folder.at('disk.qcow2'), '');
    writeFileSync(folder.at('other.qcow2.partial'), '');
    const { arrivals } = await open();
    const reserve = (name: string) => arrivals.reserve(name, MIGRATION).then(({ path }) => path);
    const paths = await Promise.all([
      reserve('disk.qcow2'),
      reserve('disk.qcow2'),
      reserve('other.qcow2'),
      reserve('a'),
    ]);
    const names = ['disk-aaaaaaaa.qcow2', 'disk-aaaaaaaa-2.qcow2', 'other-aaaaaaaa.qcow2', 'a'];
    expect(paths).toEqual(names.map((name) => folder.at(name)));
    expect(journal()).toHaveLength(4);
  });

  it('can have a name again that was dropped', async () => {
    const { arrivals } = await open();
    const first = await arrivals.reserve('disk.qcow2', MIGRATION);
    writeFileSync(partialPath(first), 'half');
    await arrivals.drop(first);
    expect(existsSync(partialPath(first))).toBe(false);
    expect((await arrivals.reserve('disk.qcow2', MIGRATION)).path).toBe(first.path);
  });

  it('that were incomplete at a crash are removed, whatever others left is not', async () => {
    const { arrivals } = await open();
    writeFileSync(partialPath(await arrivals.reserve('disk.qcow2', MIGRATION)), 'half');
    await arrivals.reserve('never-made.qcow2', MIGRATION);
    writeFileSync(folder.at('foreign.partial'), 'theirs');
    await open();
    expect(filesIn(folder.path())).toEqual(['foreign.partial']);
    expect(journal()).toEqual([]);
  });

  it('that are bases wait for their names and then are known, whenever the crash came', async () => {
    for (const renamed of [false, true]) {
      const { arrivals } = await open();
      const { path } = await arrive(arrivals);
      if (renamed) renameSync(`${path}.partial`, path);
      const { arrivals: next, catalog } = await open();
      const [base, ...others] = next.unplaced();
      expect(others).toEqual([]);
      await next.place(base!);
      expect(readFileSync(path, 'utf8')).toBe('content');
      expect(await catalog.byLayer(layer('base').layerId)).toMatchObject({ path, role: 'base' });
      expect([journal(), next.unplaced()]).toEqual([[], []]);
      renameSync(path, folder.at('gone'));
    }
  });

  it('that are a VM’s own disk wait for its commit, whenever the crash came', async () => {
    const first = await open();
    const { path } = await arrive(first.arrivals, VM);
    const { arrivals } = await open();
    const [waiting, ...others] = arrivals.waiting();
    expect(others).toEqual([]);
    expect(waiting).toMatchObject({ migration: MIGRATION, name: VM.name, disks: [{ path, vm: VM }] });
    expect(filesIn(folder.path())).toEqual(['disk.qcow2.partial']);

    renameSync(`${path}.partial`, path);
    await (await open()).arrivals.placeVm(waiting!);
    const { vms, catalog } = await open();
    expect(vms.all()).toEqual([{ name: VM.name, disks: [{ kinds: VM.kinds, top: path }] }]);
    expect((await catalog.bases()).held).toEqual([]);
    expect(journal()).toEqual([]);
  });
});
