import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findImages } from '../../agent/images/find.ts';
import { ImageFolder } from '../../agent/images/image-folder.ts';
import { arrivalNames } from '../../agent/images/names.ts';
import { VmFiles } from '../../agent/images/vm-files.ts';
import { limits } from '../../core/limits.ts';
import { eachFolder, writeChain } from './support.ts';

const folder = eachFolder();
const MIGRATION = `m${'0123456789'.repeat(2)}`;
const patches = [{ at: 0, length: 65_536, seed: 1 }];

async function imageFolder(options: { named?: Record<string, string>; notVms?: string[] } = {}) {
  const arrived = await VmFiles.open(folder.at('.state', 'vms'), folder.path());
  const images = new ImageFolder(folder.path(), {
    ...(options.named === undefined ? {} : { named: options.named }),
    arrived,
    notVms: () => new Set(options.notVms),
  });
  return { images, arrived };
}

const names = async (images: ImageFolder) => (await images.vms()).map((vm) => vm.name);

describe('the images of a folder', () => {
  it('are files with the right endings, links, hidden and partial ones left out', async () => {
    mkdirSync(folder.at('sub', '.hidden'), { recursive: true });
    for (const name of [
      'a.qcow2',
      'b.raw',
      'c.img',
      'd.iso',
      'e.qcow2.partial',
      '.f.qcow2',
      'sub/g.img',
      'sub/.hidden/h.img',
    ])
      writeFileSync(folder.at(name), '');
    symlinkSync(folder.at('a.qcow2'), folder.at('link.qcow2'));
    expect(await findImages(folder.path())).toEqual(
      ['a.qcow2', 'b.raw', 'c.img', 'sub/g.img'].map((name) => folder.at(name)),
    );
  });

  it('are looked for down to a limit', async () => {
    const deep = Array.from({ length: limits.image_folder_depth_max }, (_, at) => `d${at}`);
    mkdirSync(folder.at(...deep), { recursive: true });
    writeFileSync(folder.at(...deep.slice(0, -1), 'in.raw'), '');
    writeFileSync(folder.at(...deep, 'out.raw'), '');
    expect(await findImages(folder.path())).toEqual([folder.at(...deep.slice(0, -1), 'in.raw')]);
  });

  it('need a folder', async () => {
    await expect(findImages(folder.at('none'))).rejects.toMatchObject({ code: 'IMAGE_FOLDER_MISSING' });
  });
});

describe('the VMs of a host', () => {
  it('are the images that nobody is based on, by their stems', async () => {
    await writeChain(folder.path(), [
      { name: 'os.qcow2', patches },
      { name: 'we.qcow2', patches },
      { name: 'web-1.qcow2', patches },
    ]);
    await writeChain(folder.path(), [{ name: 'flat.raw', format: 'raw', patches }]);
    const { images } = await imageFolder();
    expect(await names(images)).toEqual(['flat', 'web-1']);
    expect((await images.find('web-1')).disks).toEqual([{ top: folder.at('web-1.qcow2') }]);
    await expect(images.find('os')).rejects.toMatchObject({ code: 'VM_UNKNOWN' });
  });

  it('change with the files, which are looked at anew', async () => {
    await writeChain(folder.path(), [
      { name: 'os.qcow2', patches },
      { name: 'web-1.qcow2', patches },
    ]);
    const { images } = await imageFolder();
    expect(await names(images)).toEqual(['web-1']);
    renameSync(folder.at('web-1.qcow2'), folder.at('web-2.qcow2'));
    expect(await names(images)).toEqual(['web-2']);
    await writeChain(folder.path(), [{ name: 'new.qcow2', patches }]);
    renameSync(folder.at('new.qcow2'), folder.at('web-2.qcow2'));
    expect(await names(images)).toEqual(['os', 'web-2']);
  });

  it('have names that are no VM names, or shared, or known to be none, left out', async () => {
    mkdirSync(folder.at('sub'));
    for (const name of ['two words.raw', 'same.raw', 'sub/same.img', 'base.raw', 'broken.qcow2'])
      writeFileSync(folder.at(name), 'x');
    const { images } = await imageFolder({ notVms: [folder.at('base.raw')] });
    expect(await names(images)).toEqual(['broken']);
  });

  it('are only those that the operator names, and those that arrived', async () => {
    for (const name of ['a.raw', 'b.raw', 'disk.qcow2']) writeFileSync(folder.at(name), 'x');
    const { images, arrived } = await imageFolder({ named: { one: folder.at('a.raw') } });
    expect(await names(images)).toEqual(['one']);
    await arrived.put({ name: 'web-1', disks: [{ top: folder.at('disk.qcow2'), kinds: ['ud'] }] }, MIGRATION);
    expect(await names(images)).toEqual(['one', 'web-1']);
  });

  it('go by the name they arrived with, also after a restart, and where they arrived last', async () => {
    for (const name of ['web-1.qcow2', 'disk.qcow2']) writeFileSync(folder.at(name), 'x');
    const { arrived } = await imageFolder();
    await arrived.put({ name: 'web-1', disks: [{ top: folder.at('disk.qcow2'), kinds: ['os', 'ud'] }] }, MIGRATION);
    for (const named of [undefined, { 'web-1': folder.at('web-1.qcow2') }]) {
      const { images } = await imageFolder(named === undefined ? {} : { named });
      expect(await images.vms()).toEqual([
        { name: 'web-1', disks: [{ top: folder.at('disk.qcow2'), kinds: ['os', 'ud'] }] },
      ]);
    }
  });
});

describe('names of arriving files', () => {
  it('are their own, then marked by the migration, then numbered', () => {
    const names = [...arrivalNames('disk.qcow2', MIGRATION)];
    expect(names.slice(0, 4)).toEqual([
      'disk.qcow2',
      'disk-01234567.qcow2',
      'disk-01234567-2.qcow2',
      'disk-01234567-3.qcow2',
    ]);
    expect(new Set(names).size).toBe(limits.arrival_names_max + 1);
    expect([...arrivalNames('disk', MIGRATION)][1]).toBe('disk-01234567');
  });

  it('leave room for .partial', () => {
    for (const name of arrivalNames(`${'ä'.repeat(124)}.qcow2`, MIGRATION))
      expect(Buffer.byteLength(`${name}.partial`)).toBeLessThanOrEqual(255);
  });
});
