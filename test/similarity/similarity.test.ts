import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { openChains } from '../../agent/similarity/chains.ts';
import { similarityOf } from '../../agent/similarity/report.ts';
import { countShares } from '../../agent/similarity/shares.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST, sha256 } from '../../core/fingerprint.ts';
import { Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { KiB } from '../disk/support.ts';
import { dataBytes, dataChunks, type Made, makeImages } from './images.ts';

const pool = new ChunkPool();
const { signal } = new AbortController();
let folder = '';
let made: Made[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'layermover-alike-'));
  made = await makeImages(folder, pool);
});
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const image = (name: string) => ({ path: join(folder, name), folder });

async function report(names: readonly string[], chunkBytes: number, vmsOfEach = 1) {
  const chains = await openChains(names.map(image));
  try {
    return await similarityOf({ chains, chunkBytes, vmsOfEach, pool, signal });
  } finally {
    await chains.close();
  }
}

describe.each([4, 16, 64, 256])('at %i KiB', (kib) => {
  it('layers have in common what their contents have', async () => {
    const chunkBytes = kib * KiB;
    const found = await report(['vm1.qcow2', 'vm2.qcow2'], chunkBytes);
    const order = ['os.raw', 'web.qcow2', 'vm1.qcow2', 'mail.qcow2', 'vm2.qcow2'];
    expect(found.layers.map((layer) => layer.name)).toEqual(order);
    const chunks = order.map((name) => dataChunks(made.find((each) => each.name === name)!, chunkBytes));
    const sets = chunks.map((each) => new Set(each));
    expect(found.held).toEqual(chunks.map((each) => sets.map((other) => each.filter((one) => other.has(one)).length)));
    const others = (i: number) => new Set(chunks.filter((_, j) => j !== i).flat());
    expect(found.elsewhere).toEqual(chunks.map((each, i) => each.filter((one) => others(i).has(one)).length));
    expect(found.distinct).toBe(new Set(chunks.flat()).size);
  });

  it('VMs take what their contents take', async () => {
    const chunkBytes = kib * KiB;
    const [os, web, mail, vm1, vm2] = made as [Made, Made, Made, Made, Made];
    const bytes = (disk: Made, below?: Made) => dataBytes(disk.content, chunkBytes, below);
    const found = await report(['vm1.qcow2', 'vm2.qcow2'], chunkBytes, 10);
    expect(found.flat).toBe(10 * (bytes(vm1) + bytes(vm2)));
    expect(found.three).toBe(bytes(os) + bytes(web, os) + bytes(mail, os) + 10 * (bytes(vm1, web) + bytes(vm2, mail)));
    expect(found.two).toBeGreaterThan(found.three);
    expect(found.two).toBeLessThan(found.flat);
    if (kib >= 64) return;
    // Above clusters, what two layers hold in the same place counts once.
    const above = (vm: Made) => bytes(vm, os);
    expect(found.two).toBe(bytes(os) + 10 * (above(vm1) + above(vm2)));
  });
});

describe('a report of similarity', () => {
  it('takes a file that another lies on for a base, and a disk without layers for itself', async () => {
    const found = await report(['os.raw', 'web.qcow2'], 64 * KiB, 3);
    const [os, web] = [dataBytes(made[0]!.content, 64 * KiB), dataBytes(made[1]!.content, 64 * KiB, made[0])];
    expect(found).toMatchObject({ flat: 3 * (os + web), two: os + 3 * web, three: os + web });
    const alone = await report(['os.raw'], 64 * KiB, 3);
    expect(alone).toMatchObject({ flat: 3 * os, two: 3 * os, three: 3 * os });
  });

  it('leaves nothing in the temporary folder, however it ends', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('layermover-similarity-'));
    const chains = await openChains([image('web.qcow2')]);
    const job = { chains, chunkBytes: 4 * KiB, vmsOfEach: 1, pool };
    await expect(similarityOf({ ...job, signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped');
    await similarityOf({ ...job, signal });
    await chains.close();
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('layermover-similarity-'))).toEqual(before);
  });

  it('is of similarity_layers_max layers at the most, and right with all of them', async () => {
    const many = join(folder, 'many');
    mkdirSync(many);
    const count = limits.similarity_layers_max;
    for (let i = 0; i <= count; i++) writeFileSync(join(many, `${i}.raw`), Buffer.alloc(8192, i % 2 === 0 ? 1 : 2));
    const images = Array.from({ length: count + 1 }, (_, i) => ({ path: join(many, `${i}.raw`), folder: many }));
    await expect(openChains(images)).rejects.toMatchObject({ code: 'SIMILARITY_TOO_MANY' });
    const chains = await openChains(images.slice(0, count));
    const { held, elsewhere, distinct } = await similarityOf({
      chains,
      chunkBytes: 4 * KiB,
      vmsOfEach: 1,
      pool,
      signal,
    });
    await chains.close();
    expect(held).toEqual(held.map((_, a) => held.map((_, b) => (a % 2 === b % 2 ? 2 : 0))));
    expect(elsewhere).toEqual(Array(count).fill(2));
    expect(distinct).toBe(2);
  });

  it('is the same in as many passes as similarity_chunks_in_memory makes it take', async () => {
    const manifests = new ManifestStore(join(folder, 'manifests'));
    const layerIds: string[] = [];
    for (const from of [0, 200]) {
      const draft = await manifests.draft(geometryOf(500 * 4096, 4096), NO_DIGEST);
      const segment = new Segment(500);
      for (let chunk = 0; chunk < 500; chunk++) segment.setData(chunk, sha256(Buffer.from(`${from + chunk}`)));
      await draft.putSegment(0, segment);
      layerIds.push((await draft.seal()).layerId);
    }
    const job = { layerIds, chunks: 1000, manifests, signal };
    const once = await countShares(job);
    expect(once).toEqual({
      held: [
        [500, 300],
        [300, 500],
      ],
      elsewhere: [300, 300],
      distinct: 700,
    });
    for (const inMemory of [limits.similarity_chunks_in_memory / 65_536, 333])
      expect(await countShares({ ...job, inMemory })).toEqual(once);
  });
});
