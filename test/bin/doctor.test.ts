import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { examine } from '../../bin/doctor/examine.ts';
import type { Finding } from '../../bin/doctor/finding.ts';
import { leftOut } from '../../bin/doctor/left-out.ts';
import { CannedApi } from './api.ts';
import { layer, migration, NOT_MOVED, vm } from './samples.ts';

let images: string;
let api: CannedApi;

beforeEach(async () => {
  api = await CannedApi.open();
  images = await mkdtemp(path.join(os.tmpdir(), 'layermover-doctor-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await api.close();
  await rm(images, { recursive: true, force: true });
});

async function findingsOn(what: string, patient: Parameters<typeof examine>[0] = {}): Promise<Finding[]> {
  const findings = await examine({ images, cloud: api.cloudFile, ...patient });
  return findings.filter((each) => each.what === what);
}

const verdict = async (...asked: Parameters<typeof findingsOn>) =>
  (await findingsOn(...asked)).map((each) => each.verdict);

describe('doctor finds', () => {
  it('an image folder that anybody may write to, or that is not there', async () => {
    expect(await verdict('image folder')).toEqual(['good']);
    await chmod(images, 0o777);
    expect(await verdict('image folder')).toEqual(['unsafe']);
    expect((await findingsOn('image folder'))[0]?.hint).toBe(`chmod o-w ${images}`);
    await writeFile(path.join(images, 'file'), '');
    expect(await verdict('image folder', { images: path.join(images, 'file') })).toEqual(['lacking']);
    expect(await verdict('image folder', { images: path.join(images, 'none') })).toEqual(['lacking']);
  });

  it('nothing against a folder in /tmp’s manner, and leaves nothing in it', async () => {
    await chmod(images, 0o1777);
    expect(await verdict('image folder')).toEqual(['good']);
    expect(await leftOut(images)).toEqual([]);
    const { readdir } = await import('node:fs/promises');
    expect(await readdir(images)).toEqual([]);
  });

  it('a state folder that others may write to', async () => {
    expect((await findingsOn('state folder'))[0]).toMatchObject({ verdict: 'good' });
    await mkdir(path.join(images, '.layermover'));
    await chmod(path.join(images, '.layermover'), 0o775);
    expect(await verdict('state folder')).toEqual(['unsafe']);
    await writeFile(path.join(images, 'state'), '');
    expect(await verdict('state folder', { state: path.join(images, 'state') })).toEqual(['lacking']);
  });

  it.runIf(process.platform === 'linux')('images and state in memory', async () => {
    const shm = await mkdtemp('/dev/shm/layermover-doctor-').catch(() => undefined);
    if (shm === undefined) return;
    try {
      expect(await verdict('file system', { images: shm })).toEqual(['unsafe']);
      expect(await verdict('state folder', { state: shm })).toEqual(['unsafe']);
    } finally {
      await rm(shm, { recursive: true });
    }
  });

  it('keys that others may read', async () => {
    expect(await verdict('cloud file')).toEqual(['good']);
    await chmod(api.cloudFile, 0o644);
    expect(await verdict('cloud file')).toEqual(['unsafe']);
  });

  it('a clock that is off, by the cloud’s Date', async () => {
    expect(await verdict('clock')).toEqual(['good']);
    const real = Date.now.bind(Date);
    vi.spyOn(Date, 'now').mockImplementation(() => real() + 10 * 60_000);
    const [clock] = await findingsOn('clock');
    expect(clock).toMatchObject({ verdict: 'unsafe', detail: expect.stringContaining('10m') });
  });

  it('too little room for what is on its way to this host', async () => {
    expect(await verdict('disk space')).toEqual(['note']);
    expect(await verdict('disk space', { host: 'b/h2' })).toEqual(['good']);
    const huge = layer({ ...NOT_MOVED, logical_bytes: 2 ** 52 });
    const skipped = layer({ ...huge, treatment: 'skip' });
    api.migration = migration({ state: 'seeding', vms: [vm({ state: 'waiting', layers: [skipped] })] });
    expect(await verdict('disk space', { host: 'b/h2' })).toEqual(['good']);
    api.migration = migration({ state: 'seeding', vms: [vm({ state: 'waiting', layers: [huge] })] });
    expect(await verdict('disk space', { host: 'b/h2' })).toEqual(['lacking']);
    expect(await verdict('disk space', { host: 'b/h3' })).toEqual(['good']);
  });

  it('a cloud that is away or was never there, quickly', async () => {
    expect(await verdict('cloud', { cloud: path.join(images, 'none.json') })).toEqual(['lacking']);
    const gone = path.join(images, 'gone.json');
    const credentials = { access_key_id: 'a', secret_access_key: 'b' };
    await writeFile(gone, JSON.stringify({ api_url: 'http://127.0.0.1:9/v1', region: 'x', credentials }));
    expect((await findingsOn('cloud', { cloud: gone }))[0]?.detail).toContain('does not answer');
  });
});

describe('what an image folder leaves out', () => {
  async function image(name: string, over?: string): Promise<void> {
    const file = path.join(images, name);
    await mkdir(path.dirname(file), { recursive: true });
    const { openChain } = await import('../../agent/disk/chain.ts');
    const chain = over === undefined ? undefined : await openChain(path.join(images, over), { imageFolder: images });
    const backing =
      chain && over ? { backing: { name: over, format: 'qcow2' as const, chain: chain.layers.at(-1)! } } : {};
    const writer = await createQcow2(file, { virtualBytes: 1 << 20, clusterBytes: 65_536, version: 3, ...backing });
    await writer.finish();
    await chain?.close();
  }

  it('is told by file, with what to do', async () => {
    await image('base with a bad name.qcow2');
    await image('web-1.qcow2', 'base with a bad name.qcow2');
    expect(await leftOut(images)).toEqual([]);

    await image('my vm.qcow2');
    await image('twin.qcow2');
    await writeFile(path.join(images, 'twin.raw'), 'x');
    await image('one/two/three/four/five/deep.qcow2');
    await symlink('web-1.qcow2', path.join(images, 'link.qcow2'));
    await symlink(os.tmpdir(), path.join(images, 'elsewhere'));
    await symlink('nothing', path.join(images, 'dangling.img'));
    for (const name of ['disk.vmdk', 'LOUD.QCOW2', 'notes.txt', '.hidden.qcow2', 'x.qcow2.partial'])
      await writeFile(path.join(images, name), 'x');
    await utimes(images, 0, 0);

    const found = await leftOut(images);
    expect(found.map((each) => each.file)).toEqual([
      'LOUD.QCOW2',
      'dangling.img',
      'disk.vmdk',
      'elsewhere',
      'link.qcow2',
      'my vm.qcow2',
      'one/two/three/four/five/deep.qcow2',
      'twin.qcow2',
      'twin.raw',
    ]);
    const why = Object.fromEntries(found.map((each) => [each.file, each.why]));
    expect(why['link.qcow2']).toContain('links');
    expect(why['my vm.qcow2']).toContain('name');
    expect(why['disk.vmdk']).toContain('.qcow2');
    expect(why['one/two/three/four/five/deep.qcow2']).toContain('deep');
    expect(why['twin.raw']).toContain('several');
    expect(found.every((each) => each.hint !== '')).toBe(true);
    expect((await findingsOn('left out')).map((each) => each.verdict)).toEqual(Array(9).fill('note'));
  });
});
