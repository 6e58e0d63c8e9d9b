import { openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import { Catalog, type KnownLayer } from '../../agent/catalog/catalog.ts';
import { Reread } from '../../agent/catalog/reread.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { twoHosts } from './hosts.ts';
import { register } from './play.ts';
import { keptLog, type LayerSpec, writeChain } from './support.ts';

const hosts = twoHosts();
const KiB = 1024;
const MiB = 1024 * KiB;
const os: LayerSpec = { name: 'os.qcow2', patches: [{ at: 0, length: 3 * MiB, seed: 1 }] };
const we: LayerSpec = { name: 'we.qcow2', patches: [{ at: MiB / 2, length: 128 * KiB, seed: 2 }] };
const WEEK = limits.reread_every_ms;

/** Files whose times and sizes stay what they were, whatever is written to them. */
function lyingFiles(): Files {
  const said = new Map<string, ReturnType<Files['stat']>>();
  return new Proxy(systemFiles, {
    get(files, name) {
      if (name !== 'stat') return Reflect.get(files, name);
      return (path: string) => said.get(path) ?? said.set(path, files.stat(path)).get(path);
    },
  });
}

/** Flips a byte in the middle of a file's data. */
function flip(path: string): void {
  const file = openSync(path, 'r+');
  const at = Math.floor(statSync(path).size / 2);
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  writeSync(file, Buffer.of(byte[0]! ^ 1), 0, 1, at);
}

describe('base layers that lie still', () => {
  const log = keptLog();
  let pool: ChunkPool;
  let catalog: Catalog;
  let nowMs: number;
  let slept: number;
  let idle: () => boolean;
  let changed: number;
  let reread: Reread;
  let layers: readonly KnownLayer[];
  let isFull: boolean;

  beforeEach(async () => {
    await writeChain(hosts.at('a'), [os, we]);
    const agent = await hosts.start('a');
    await register(hosts.cloud(), { files: ['we.qcow2'], kind: 'we' });
    await agent.stop();
    pool = new ChunkPool({ workers: 1 });
    const files = lyingFiles();
    const room: Files = {
      ...systemFiles,
      rename: (from, to) => (isFull ? Promise.reject(new Error('full')) : systemFiles.rename(from, to)),
    };
    catalog = await Catalog.open(hosts.at('a', '.layermover', 'layers'), files);
    layers = await catalog.files();
    [nowMs, slept, changed, isFull] = [Date.now() + WEEK, 0, 0, false];
    idle = () => true;
    log.lines.length = 0;
    reread = new Reread({
      catalog,
      manifests: new ManifestStore(hosts.at('a', '.layermover', 'manifests'), room),
      images: { path: hosts.at('a'), files: systemFiles },
      pool,
      log,
      clock: { nowMs: () => nowMs, sleep },
      isIdle: () => idle(),
      onChanged: () => void changed++,
    });
  });
  afterEach(() => pool.close());

  /** Waits for no longer than others need to come to their turn. */
  async function sleep(ms: number): Promise<void> {
    slept += ms;
    await new Promise(setImmediate);
  }

  const layerOf = (name: string) => layers.find(({ path }) => path === hosts.at('a', name))!;
  const manifestOf = (name: string) => hosts.at('a', '.layermover', 'manifests', layerOf(name).layerId);
  const contentOf = (name: string) =>
    new ManifestStore(hosts.at('a', '.layermover', 'manifests')).segment(layerOf(name).layerId, 0);

  const signal = new AbortController().signal;
  const all = async () => {
    let steps = 0;
    while (await reread.step(signal)) steps++;
    return steps;
  };

  it('are read as a whole once a week, no faster than allowed, and receipts may name that', async () => {
    nowMs -= WEEK - 1000;
    expect(await all(), 'not due yet').toBe(0);
    nowMs += WEEK;
    expect(await all()).toBeGreaterThan(2);
    expect((await catalog.files()).map((layer) => layer.scannedMs)).toEqual([nowMs, nowMs]);
    expect((slept / 1000) * limits.reread_bytes_per_second).toBeGreaterThanOrEqual(3 * MiB + 128 * KiB);
    expect(await all()).toBe(0);
    expect([changed, log.lines]).toEqual([0, []]);
  });

  it('are found out if they changed though nothing of their files tells it, with those that lie on them', async () => {
    flip(hosts.at('a', 'os.qcow2'));
    expect((await catalog.bases()).lost).toEqual([]);
    await all();
    expect(await catalog.bases()).toMatchObject({ held: [], lost: [expect.any(String), expect.any(String)] });
    expect(changed).toBe(1);
    expect(log.lines).toMatchObject([{ level: 'error', fields: { error: { code: 'LAYER_CHANGED' } } }]);
    expect(await catalog.lookup(hosts.at('a', 'os.qcow2'), 64 * KiB)).toBeUndefined();
  });

  it.each<[string, (manifest: string) => void]>([
    ['is gone', (manifest) => rmSync(manifest, { recursive: true })],
    ['has lost its segments', (manifest) => rmSync(join(manifest, 'segments'))],
    ['is damaged', (manifest) => flip(join(manifest, 'segments'))],
    ['is damaged at its root', (manifest) => flip(join(manifest, 'root'))],
  ])('stay if it is their manifest that %s: it is made again', async (_, harm) => {
    const before = await contentOf('os.qcow2');
    harm(manifestOf('os.qcow2'));
    expect(await all()).toBeGreaterThan(2);
    expect((await catalog.files()).map((layer) => layer.scannedMs)).toEqual([nowMs, nowMs]);
    expect(await contentOf('os.qcow2')).toEqual(before);
    expect(changed).toBe(0);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { layer: layerOf('os.qcow2').layerId } }]);
    expect(readdirSync(hosts.at('a', '.layermover', 'manifests'))).toHaveLength(2);
  });

  it('are found out by their id if their manifest is gone, too', async () => {
    rmSync(manifestOf('os.qcow2'), { recursive: true });
    flip(hosts.at('a', 'os.qcow2'));
    await all();
    expect((await catalog.bases()).held).toEqual([]);
    expect([changed, log.lines.at(-1)?.fields.error]).toMatchObject([1, { code: 'LAYER_CHANGED' }]);
    expect(readdirSync(hosts.at('a', '.layermover', 'manifests'))).toHaveLength(1);
  });

  it('stay while the agent can’t write of them, and leave nothing behind that is half made', async () => {
    rmSync(manifestOf('os.qcow2'), { recursive: true });
    const stop = new AbortController();
    isFull = true;
    const running = reread.run(stop.signal);
    await expect.poll(() => log.lines.at(-1)?.fields.error, { timeout: 10_000 }).toMatchObject({ message: 'full' });
    expect([changed, (await catalog.files()).length]).toEqual([0, 2]);
    isFull = false;
    const scanned = async () => (await catalog.files()).map((layer) => layer.scannedMs);
    await expect.poll(scanned, { timeout: 10_000 }).toEqual([nowMs, nowMs]);
    stop.abort();
    await running;
    expect(readdirSync(hosts.at('a', '.layermover', 'manifests'))).toHaveLength(2);
  });

  it('are left alone as soon as a task begins, and gone on with later', async () => {
    idle = () => false;
    expect(await reread.step(signal)).toBe(false);
    expect([slept, changed]).toEqual([0, 0]);
    idle = () => true;
    expect(await all()).toBeGreaterThan(2);
  });

  it('are looked for in turn, until the agent stops', async () => {
    const stop = new AbortController();
    const running = reread.run(stop.signal);
    const scanned = async () => (await catalog.files()).map((layer) => layer.scannedMs);
    await expect.poll(scanned, { timeout: 10_000 }).toEqual([nowMs, nowMs]);
    expect(slept).toBeGreaterThanOrEqual(limits.reread_look_ms);
    stop.abort();
    await running;
  });
});

it('the cloud hears of a layer that is lost, and nobody is told to find it there', async () => {
  await writeChain(hosts.at('a'), [os]);
  const agent = await hosts.start('a');
  const { layers } = await register(hosts.cloud(), { files: ['os.qcow2'], kind: 'os' });
  const layer = layers[0]!.layer_id;
  const holders = async () => (await hosts.cloud().api.call('getLayer', { params: { layer } })).holders;
  expect(await holders()).toEqual(['a/h1']);
  await agent.stop();
  // Changed while its agent was away: the next run remembers what was told.
  flip(hosts.at('a', 'os.qcow2'));
  await hosts.start('a');
  expect(await holders()).toEqual([]);
});
