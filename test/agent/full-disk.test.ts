import { existsSync, readdirSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import type { Files } from '../../core/files.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate } from './play.ts';
import { filesIn, type LayerSpec, writeChain } from './support.ts';

/** The destination's file system is full from one of its writes on, until the migration has ended. */
const hosts = twoHosts();
const MiB = 1024 * 1024;
const CHAIN: LayerSpec[] = [
  { name: 'os.qcow2', patches: [{ at: 0, length: MiB, seed: 1 }] },
  { name: 'web.qcow2', patches: [{ at: MiB, length: MiB, seed: 2 }] },
  { name: 'web-1.qcow2', patches: [{ at: 2 * MiB, length: MiB / 2, seed: 3 }] },
];
const patiently = { timeout: 10_000 };

beforeEach(async () => {
  await writeChain(hosts.at('a'), CHAIN);
});

/** Full from a write on: the one after so many others of its kind. */
function fillingUp(kind: RegExp, others: number) {
  const disk = { isFull: false, left: others };
  const room = (what: string) => {
    if (!disk.isFull && kind.test(what)) disk.isFull = disk.left-- === 0;
    if (disk.isFull) throw Object.assign(new Error(`ENOSPC: ${what}`), { code: 'ENOSPC' });
  };
  const files: Files = {
    ...systemFiles,
    async open(path, how) {
      if (how !== 'read') room(`${how} ${path}`);
      const file = await systemFiles.open(path, how);
      const write = file.write.bind(file);
      file.write = async (bytes, offset) => {
        room(`write ${path}`);
        await write(bytes, offset);
      };
      return file;
    },
    async makeTemporaryFolder(prefix) {
      room(`folder ${prefix}`);
      return systemFiles.makeTemporaryFolder(prefix);
    },
  };
  return { files, disk };
}

/** The destination’s agent is heard of so often again. */
async function polls(count: number): Promise<void> {
  let left = count;
  const enough = Promise.withResolvers<void>();
  hosts.cloud().hooks.before = ({ path }) => {
    if (path.includes('/b/h1/') && path.endsWith('/poll') && left-- === 0) enough.resolve();
  };
  await enough.promise;
}

const stateAt = (folder: string) => {
  const path = hosts.at('b', '.layermover', folder);
  return existsSync(path) ? readdirSync(path) : [];
};

describe('a disk that is full at its destination', () => {
  it.each([
    ['a manifest is begun', /^create .*segments$/, 0],
    ['a layer is written', /^write .*os.*partial$/, 0],
    ['its manifest is sealed', /^create .*root$/, 0],
    ['it is read back, and the next one begins', /^replace .*arrivals/, 1],
    ['it has arrived', /^replace .*arrivals/, 2],
    ['it is noted as brought', /^replace .*brought/, 0],
    ['it has its name', /^replace .*layers/, 0],
    ['the next one has its name', /^replace .*layers/, 1],
    ['the VM’s own disk has arrived', /^write .*web-1.*partial/, 0],
    ['the VM is committed', /^replace .*vms/, 0],
  ])(
    'when %s, leaves nothing, keeps its host in touch, and once there is room all of it comes',
    async (_, kind, others) => {
      const { files, disk } = fillingUp(kind, others);
      await hosts.start('a');
      await hosts.start('b', undefined, undefined, files);
      const start = async () => (await migrate(hosts.cloud(), { vms: ['web-1'], to: 'b/h1' })).ended;
      const first = await start();
      expect(disk.isFull).toBe(true);
      await polls(2);
      Object.assign(disk, { isFull: false, left: Number.POSITIVE_INFINITY });
      if (first.state !== 'committed') {
        expect(first).toMatchObject({ state: 'failed', error: { code: 'DISK_FULL' } });
        expect(await start()).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
      }
      await expect.poll(() => stateAt('arrivals'), patiently).toEqual([]);
      expect(filesIn(hosts.at('b'))).toEqual(['os.qcow2', 'web-1.qcow2', 'web.qcow2']);
      expect(stateAt('manifests')).toHaveLength(2);
      await expect.poll(() => stateAt('brought'), patiently).toEqual([]);
      await expectEqual(hosts.at('a', 'web-1.qcow2'), hosts.at('b', 'web-1.qcow2'));
    },
  );
});
