import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { Catalog } from '../../agent/catalog/catalog.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { ImageFolder } from '../../agent/images/image-folder.ts';
import { VmFiles } from '../../agent/images/vm-files.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { Unchanged } from '../../agent/scan/unchanged.ts';
import { knowLayer } from '../../agent/tasks/know.ts';
import type { TaskHost } from '../../agent/tasks/task.ts';
import { KiB, MiB, noise } from '../disk/support.ts';
import { COPIED, writeTinyImage } from '../disk/tiny-image.ts';
import { eachFolder } from './support.ts';

const folder = eachFolder();
const CLUSTER = 64 * KiB;
const pool = new ChunkPool({ workers: 1, buffers: 2, bufferBytes: MiB });
afterAll(() => pool.close());

const quiet = new AbortController().signal;

/** A base that keeps its data in a file of its own, and a VM's disk over it. */
beforeEach(() => {
  writeFileSync(folder.at('os-data.raw'), noise(CLUSTER, 1));
  writeTinyImage(folder.at('os.qcow2'), { l2: [COPIED], incompatible: 4n, dataFile: 'os-data.raw' });
  writeTinyImage(folder.at('web-1.qcow2'), { l2: [0n], backing: { name: 'os.qcow2', format: 'qcow2' } });
});

async function vms(): Promise<string[]> {
  const arrived = await VmFiles.open(folder.at('.state', 'vms'), folder.path());
  const images = new ImageFolder(folder.path(), { arrived, notVms: () => new Set() });
  return (await images.vms()).map(({ name }) => name);
}

describe('the file that has the data of an image', () => {
  it('is no VM of its own, also where the image that names it can’t be read', async () => {
    expect(await vms()).toEqual(['web-1']);
    writeTinyImage(folder.at('os.qcow2'), { l2: [COPIED], incompatible: 4n | 1n, dataFile: 'os-data.raw' });
    expect(await vms()).toEqual(['web-1']);
    writeFileSync(folder.at('other.raw'), '');
    expect(await vms()).toEqual(['other', 'web-1']);
  });

  it('is watched while its layer is read', async () => {
    const chain = await openChain(folder.at('os.qcow2'), { imageFolder: folder.path() });
    const unchanged = await Unchanged.since(chain.layers[0]!);
    await unchanged.check();
    writeFileSync(folder.at('os-data.raw'), noise(2 * CLUSTER, 2));
    await expect(unchanged.check()).rejects.toMatchObject({ code: 'LAYER_CHANGED' });
    await chain.close();
  });
});

/** Both layers of the chain, as a host knows them. */
async function know(catalog: Catalog) {
  const manifests = new ManifestStore(folder.at('manifests'));
  const chain = await openChain(folder.at('web-1.qcow2'), { imageFolder: folder.path() });
  const about = { chunkBytes: CLUSTER, migration: `m${'0'.repeat(20)}` };
  const host = { catalog, manifests, pool, clock: systemClock } as unknown as TaskHost;
  try {
    const [bottom, top] = chain.layers;
    const base = { ...about, layer: bottom!, below: undefined, role: 'base', kind: 'os' } as const;
    const os = await knowLayer(host, base, quiet);
    const own = { ...about, layer: top!, below: os, role: 'top', kind: 'ud' } as const;
    return [os, await knowLayer(host, own, quiet)] as const;
  } finally {
    await chain.close();
  }
}

describe('a catalog', () => {
  it('forgets a layer when only the file with its data changes', async () => {
    const catalog = await Catalog.open(folder.at('catalog'));
    const [os, top] = await know(catalog);
    expect(os.dataFile?.path).toBe(folder.at('os-data.raw'));
    expect([...catalog.basePaths()].sort()).toEqual([folder.at('os-data.raw'), folder.at('os.qcow2')]);
    const again = await Catalog.open(folder.at('catalog'));
    expect(await again.lookup(os.path, CLUSTER)).toEqual(os);
    expect(await again.lookup(top.path, CLUSTER)).toEqual(top);
    writeFileSync(folder.at('os-data.raw'), noise(2 * CLUSTER, 2));
    expect(await again.lookup(os.path, CLUSTER)).toBeUndefined();
    expect(await again.lookup(top.path, CLUSTER)).toBeUndefined();
    const [changed] = await know(again);
    expect(changed.layerId).not.toBe(os.layerId);
  });

  it('does not take a layer for known whose image leads elsewhere by now, by a link', async () => {
    renameSync(folder.at('os-data.raw'), folder.at('first.raw'));
    writeFileSync(folder.at('second.raw'), noise(CLUSTER, 2));
    symlinkSync('first.raw', folder.at('os-data.raw'));
    const catalog = await Catalog.open(folder.at('catalog'));
    const [os] = await know(catalog);
    rmSync(folder.at('os-data.raw'));
    symlinkSync('second.raw', folder.at('os-data.raw'));
    const [changed] = await know(catalog);
    expect(changed.layerId).not.toBe(os.layerId);
  });

  it('does not take a layer for known that lies on another base by now, by a link', async () => {
    renameSync(folder.at('os.qcow2'), folder.at('first.qcow2'));
    writeTinyImage(folder.at('second.qcow2'), { l2: [1n] });
    symlinkSync('first.qcow2', folder.at('os.qcow2'));
    const catalog = await Catalog.open(folder.at('catalog'));
    const [, top] = await know(catalog);
    rmSync(folder.at('os.qcow2'));
    symlinkSync('second.qcow2', folder.at('os.qcow2'));
    const [os, changed] = await know(catalog);
    expect(changed.parent).toBe(os.layerId);
    expect(changed.layerId).not.toBe(top.layerId);
  });
});
