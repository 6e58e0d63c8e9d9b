import { readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import { Catalog, type KnownLayer } from '../../agent/catalog/catalog.ts';
import { identityOf } from '../../agent/catalog/identity.ts';
import { eachFolder } from './support.ts';

const folder = eachFolder();
const CHUNK = 65_536;
const id = (digit: string) => digit.repeat(64);

async function layer(name: string, layerId: string, below?: KnownLayer): Promise<KnownLayer> {
  const path = folder.at(name);
  return {
    layerId,
    path,
    chunkBytes: CHUNK,
    role: 'base',
    kind: below === undefined ? 'os' : 'we',
    name,
    parent: below?.layerId ?? null,
    below: below?.path ?? null,
    virtualBytes: 1 << 20,
    dataBytes: CHUNK,
    container: { format: 'qcow2', cluster_bytes: CHUNK, version: 3 },
    migration: `m${'0'.repeat(20)}`,
    identity: (await identityOf(systemFiles, path))!,
  };
}

const open = () => Catalog.open(folder.at('state'));

describe('a catalog', () => {
  let os: KnownLayer;
  let we: KnownLayer;

  beforeEach(async () => {
    for (const name of ['os.qcow2', 'we.qcow2']) writeFileSync(folder.at(name), name);
    os = await layer('os.qcow2', id('a'));
    we = await layer('we.qcow2', id('b'), os);
    const catalog = await open();
    await catalog.put(os);
    await catalog.put(we);
  });

  it('answers by file and by layer, also after a restart', async () => {
    const catalog = await open();
    expect(await catalog.lookup(we.path, CHUNK)).toEqual(we);
    expect(await catalog.byLayer(id('a'))).toEqual(os);
    expect(await catalog.bases()).toEqual({ held: [id('a'), id('b')], lost: [] });
    expect(await catalog.lookup(we.path, 4096)).toBeUndefined();
    expect(await catalog.byLayer(id('c'))).toBeUndefined();
  });

  const changes: [string, () => void][] = [
    ['is written with the same size', () => writeFileSync(folder.at('os.qcow2'), 'so.qcow2')],
    ['is touched', () => utimesSync(folder.at('os.qcow2'), 1, 1)],
    ['is removed', () => rmSync(folder.at('os.qcow2'))],
    [
      'is written with the same size, and its time of change put back',
      () => {
        const { atime, mtime } = statSync(folder.at('os.qcow2'));
        writeFileSync(folder.at('os.qcow2'), 'so.qcow2');
        utimesSync(folder.at('os.qcow2'), atime, mtime);
      },
    ],
    [
      'is replaced',
      () => {
        writeFileSync(folder.at('new'), 'os.qcow2');
        renameSync(folder.at('new'), folder.at('os.qcow2'));
      },
    ],
  ];
  it.each(changes)('forgets a layer and all above it when its file %s', async (_, change) => {
    const catalog = await open();
    change();
    expect(await catalog.lookup(os.path, CHUNK)).toBeUndefined();
    expect(await catalog.lookup(we.path, CHUNK)).toBeUndefined();
    expect(await catalog.byLayer(id('b'))).toBeUndefined();
    // What was lost is told until it is forgotten, by whatever run of the agent comes to it.
    expect(await (await open()).bases()).toEqual({ held: [], lost: [id('a'), id('b')] });
    await catalog.forget();
    expect(await catalog.bases()).toEqual({ held: [], lost: [] });
    expect(readdirSync(folder.at('state'))).toEqual([]);
  });

  it('does not rely on what another read found to be changed, and notes when a whole read was', async () => {
    const catalog = await open();
    await catalog.reread(we, { scannedMs: 7 });
    // A record that is not the one that was read stays as it is.
    expect((await catalog.lookup(we.path, CHUNK))?.scannedMs).toBeUndefined();
    const held = (await catalog.lookup(we.path, CHUNK))!;
    await catalog.reread(held, { scannedMs: 7 });
    expect(await catalog.lookup(we.path, CHUNK)).toEqual({ ...we, scannedMs: 7 });
    const below = (await catalog.files()).find((layer) => layer.path === os.path)!;
    await catalog.reread(below, { changed: true });
    expect(await (await open()).bases()).toEqual({ held: [], lost: [id('a'), id('b')] });
  });

  it('does not take an upper layer for known if the one below holds something else by now', async () => {
    const catalog = await open();
    await catalog.put({ ...os, layerId: id('d') });
    expect(await catalog.lookup(we.path, CHUNK)).toBeUndefined();
    expect(await catalog.bases()).toEqual({ held: [id('d')], lost: [id('b')] });
  });

  it('does not offer a VM’s own disk as a base', async () => {
    const catalog = await open();
    await catalog.put({ ...we, role: 'top' });
    expect(await catalog.byLayer(id('b'))).toBeUndefined();
    expect((await catalog.bases()).held).toEqual([id('a')]);
    expect([...catalog.basePaths()]).toEqual([os.path]);
    expect((await catalog.lookup(we.path, CHUNK))?.role).toBe('top');
  });

  it('sweeps what a crash left half written and refuses what is not its own', async () => {
    writeFileSync(folder.at('state', 'x.json.tmp'), '{');
    await open();
    expect(readdirSync(folder.at('state'))).toHaveLength(2);
    writeFileSync(folder.at('state', 'x.json'), '{"layerId":1}');
    await expect(open()).rejects.toMatchObject({ code: 'STATE_CORRUPT', data: { path: folder.at('state', 'x.json') } });
  });
});
