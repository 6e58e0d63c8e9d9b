import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { systemProcesses } from '../../adapters/system/processes.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { openChain } from '../../agent/disk/layer.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { Launcher } from '../../agent/launch/launcher.ts';
import { Launches } from '../../agent/launch/launches.ts';
import { parseLauncher } from '../../agent/launch/template.ts';
import { ReadBack } from '../../agent/live/destination/read-back.ts';
import { TouchedWriter } from '../../agent/live/destination/touched-writer.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST } from '../../core/fingerprint.ts';
import { eachFolder } from '../agent/support.ts';
import { qemuImg } from '../disk/qemu.ts';
import { COUNTER_DISK_BYTES, lastNumber } from './guest/counter.ts';
import { launcherOf } from './launcher-file.ts';
import { NbdRounds } from './nbd-rounds.ts';
import { describeWithGuest, makeChain, startGuest } from './qemu.ts';

const folder = eachFolder();
const pool = new ChunkPool({ workers: 1 });
afterAll(() => pool.close());
const never = new AbortController().signal;
const chunkBytes = 65_536;
const MIGRATION = `m${'0'.repeat(20)}`;
const OWNER = { migration: MIGRATION, vm: 'web-1' };

async function expectClean(path: string): Promise<void> {
  const report = JSON.parse(await qemuImg('check', '-U', '--output=json', path));
  expect(report).toMatchObject({ 'check-errors': 0 });
  expect(report).not.toHaveProperty('corruptions');
  expect(report).not.toHaveProperty('leaks');
}

describeWithGuest('a guest whose disk our writer brings', () => {
  it('goes on at a QEMU that had the file open before most of it was written', async () => {
    const [from, to] = ['a', 'b'].map((name) => folder.at(name)) as [string, string];
    for (const path of [from, to]) mkdirSync(path);
    const source = await startGuest(from, await makeChain(from));
    const launches = await Launches.open(
      folder.at('launches'),
      { files: systemFiles, processes: systemProcesses, random: systemRandom },
      [],
    );
    try {
      for (const name of ['base.qcow2', 'env.qcow2']) copyFileSync(`${from}/${name}`, `${to}/${name}`);
      await qemuImg('rebase', '-u', '-F', 'qcow2', '-b', 'base.qcow2', `${to}/env.qcow2`);
      const below = await openChain(`${to}/env.qcow2`, { imageFolder: to });
      const top = `${to}/top.qcow2`;
      const shape = { virtualBytes: COUNTER_DISK_BYTES, clusterBytes: 65_536, version: 3 } as const;
      const backing = { name: 'env.qcow2', format: 'qcow2', chain: below.layers.at(-1)! } as const;
      const writer = new TouchedWriter(await createQcow2(top, { ...shape, backing }), chunkBytes);
      const geometry = geometryOf(COUNTER_DISK_BYTES, chunkBytes);
      const manifests = new ManifestStore(folder.at('manifests'));
      const readBack = await ReadBack.begin({ geometry, parent: null, pool, manifests, signal: never });
      const rounds = new NbdRounds(source.qmp, folder.at('nbd.sock'), writer);

      async function prove(): Promise<number> {
        await writer.checkpoint();
        await expectClean(top);
        const chain = await openChain(top, { imageFolder: to });
        const touched = writer.take();
        await readBack.advance(chain.layers.at(-1)!, touched);
        const whole = await scanLayer({
          layer: chain.layers.at(-1)!,
          chunkBytes,
          parent: NO_DIGEST,
          pool,
          manifests,
          signal: never,
        });
        expect(readBack.layerId, 'what was read back part by part is what is there').toBe(whole.layerId);
        expect(readBack.dataBytes).toBe(whole.dataBytes);
        await chain.close();
        return [...touched.values()].reduce((sum, chunks) => sum + chunks.reduce((a, b) => a + b), 0);
      }

      await rounds.first();
      await prove();
      const file = parseLauncher('launcher.json', JSON.stringify(launcherOf(64)));
      const launcher = new Launcher({ path: 'launcher.json', file, address: { kind: 'unix' } }, launches, systemClock);
      const disks = { disk: top, ud: top, os: `${to}/base.qcow2` };
      const { guest, uri } = await launcher.receive({ ...OWNER, disks }, never);
      for (let round = 0; round < 2; round++) {
        await source.written(40);
        await rounds.next();
        expect(await prove()).toBeLessThan(140);
      }
      const capabilities = ['events', 'pause-before-switchover'].map((capability) => ({ capability, state: true }));
      await source.qmp.execute('migrate-set-capabilities', { capabilities });
      const paused = source.qmp.waitFor('MIGRATION', ({ data }) => data.status === 'pre-switchover', never);
      await source.qmp.execute('migrate', { uri });
      await paused;
      await rounds.next();
      await prove();
      await writer.finish();
      await source.qmp.execute('nbd-server-stop');
      const before = await source.writes();
      await source.qmp.execute('migrate-continue', { state: 'pre-switchover' });
      await guest.untilHere(never);
      expect(await guest.qmp.execute('query-status')).toMatchObject({ status: 'running' });
      await systemClock.sleep(500);
      await guest.qmp.execute('quit');
      await expect(guest.lost()).rejects.toMatchObject({ code: 'GUEST_ENDED' });
      guest.leave();

      await expectClean(top);
      const raw = folder.at('arrived.raw');
      await qemuImg('convert', '-O', 'raw', top, raw);
      expect(lastNumber(raw), 'it wrote on').toBeGreaterThan(before);
      await readBack.discard();
      await below.close();
    } finally {
      await launches.end(OWNER);
      await source.end();
    }
    expect(launches.find(OWNER)).toBeUndefined();
    expect(existsSync(folder.at('launches', 'journal'))).toBe(true);
  });
});
