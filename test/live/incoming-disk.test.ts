import { copyFileSync, mkdirSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { ReadBack } from '../../agent/live/destination/read-back.ts';
import { TouchedWriter } from '../../agent/live/destination/touched-writer.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST } from '../../core/fingerprint.ts';
import { eachFolder } from '../agent/support.ts';
import { qemuImg } from '../disk/qemu.ts';
import { moveByHand, OWNER, openLaunches } from './by-hand.ts';
import { GUEST_DISK_BYTES, lastNumber } from './guest/guest.ts';
import { launcherOf, machineOf } from './launcher-file.ts';
import { describeWithGuest, makeChain, startGuest } from './qemu.ts';

const folder = eachFolder();
const pool = new ChunkPool({ workers: 1 });
afterAll(() => pool.close());
const signal = new AbortController().signal;
const chunkBytes = 65_536;
const geometry = geometryOf(GUEST_DISK_BYTES, chunkBytes);

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
    const launches = await openLaunches(folder.at('l'));
    try {
      for (const name of ['base.qcow2', 'env.qcow2']) copyFileSync(`${from}/${name}`, `${to}/${name}`);
      await qemuImg('rebase', '-u', '-F', 'qcow2', '-b', 'base.qcow2', `${to}/env.qcow2`);
      const below = await openChain(`${to}/env.qcow2`, { imageFolder: to });
      const top = `${to}/top.qcow2`;
      const shape = { virtualBytes: GUEST_DISK_BYTES, clusterBytes: 65_536, version: 3 } as const;
      const backing = { name: 'env.qcow2', format: 'qcow2', chain: below.layers.at(-1)! } as const;
      const writer = new TouchedWriter(await createQcow2(top, { ...shape, backing }), chunkBytes);
      const manifests = new ManifestStore(folder.at('manifests'));
      const readBack = await ReadBack.begin({ geometry, parent: null, pool, manifests, signal });

      /** The file is valid, and what was read back part by part is what is there. */
      async function written(): Promise<void> {
        await writer.checkpoint();
        await expectClean(top);
        const chain = await openChain(top, { imageFolder: to });
        const layer = chain.layers.at(-1)!;
        await readBack.advance(layer, writer.take());
        const whole = await scanLayer({ layer, chunkBytes, parent: NO_DIGEST, pool, manifests, signal });
        expect([readBack.layerId, readBack.dataBytes]).toEqual([whole.layerId, whole.dataBytes]);
        await chain.close();
      }

      const guest = await moveByHand({
        ...{
          source: source.qmp,
          nbd: folder.at('nbd'),
          writer,
          top,
          launches,
          launcher: launcherOf(machineOf(64)),
          written,
        },
        between: () => source.written(40),
      });
      const before = await source.writes();
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
  });
});
