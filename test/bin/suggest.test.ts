import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import { Catalog } from '../../agent/catalog/catalog.ts';
import { identityOf } from '../../agent/catalog/identity.ts';
import { derive } from '../../agent/derive/derive.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { limits } from '../../core/limits.ts';
import { KiB, MiB, noise } from '../disk/support.ts';
import { CannedApi } from './api.ts';
import { call } from './command.ts';

let api: CannedApi;
let folder = '';
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  api = await CannedApi.open();
  folder = join(api.folder, 'images');
  mkdirSync(folder);
  const content = noise(4 * MiB, 1);
  writeFileSync(at('os.raw'), content);
  noise(MiB, 2).copy(content, 2 * MiB);
  writeFileSync(at('flat.raw'), content);
  const pool = new ChunkPool();
  const named = (name: string) => ({ path: at(name), folder });
  const { signal } = new AbortController();
  const job = { clusterBytes: 64 * KiB, pool, signal };
  await derive({ ...job, flat: named('flat.raw'), base: named('os.raw'), out: at('web.qcow2') });
  noise(256 * KiB, 3).copy(content, 3 * MiB);
  writeFileSync(at('web-1.raw'), content);
  await derive({ ...job, flat: named('web-1.raw'), base: named('web.qcow2'), out: at('other-vm.qcow2') });
  await pool.close();
});
afterAll(() => api.close());

describe('layer suggest', () => {
  it('names the bases of the folder, no VM’s own disk, and the call that derives', async () => {
    const said = await call('layer', 'suggest', at('web-1.raw'), '--json');
    const suggestion = said.lines().at(-1)!;
    expect(suggestion).toMatchObject({ message_type: 'suggestion', sampled_chunks: 64, read_bytes: 4 * MiB });
    expect(suggestion.candidates).toMatchObject([
      { file: at('web.qcow2'), depth: 2, matched: 60, share: 60 / 64 },
      { file: at('os.raw'), depth: 1, matched: 44 },
    ]);
    expect(suggestion.command).toMatch(/^layermover layer derive \S+web-1\.raw --onto \S+web\.qcow2$/);
    rmSync(at('web-1-ud.qcow2'), { force: true });
    const derived = await call(...(suggestion.command as string).split(' ').slice(1), '--json');
    expect(derived.lines().at(-1)).toMatchObject({ message_type: 'derived', data_bytes: 256 * KiB, depth: 3 });
  });

  it('names layers of the store, and who holds them', async () => {
    const words = [at('web-1.raw'), '--chunk', '64k', '--cloud', api.cloudFile];
    const said = await call('layer', 'suggest', ...words, '--json');
    expect(api.bodies.at(-1)).toMatchObject({ chunk_bytes: 64 * KiB, sample: expect.any(Array) });
    expect((api.bodies.at(-1) as { sample: unknown[] }).sample).toHaveLength(64);
    const [first, second] = said.lines().at(-1)!.candidates as Record<string, unknown>[];
    expect(first).toMatchObject({ layer_id: 'a'.repeat(64), name: 'os.qcow2', holders: ['a/h1'], matched: 63 });
    expect(second).toMatchObject({ file: at('web.qcow2') });
    const words2 = await call('layer', 'suggest', ...words);
    expect(words2.stdout).toMatch(/os\.qcow2 a{16} +│ +98 % │ +92 % and 100 % │ a\/h1 /);
    expect(words2.stderr).toContain('3 layers of the store were not looked at');
    expect(words2.stderr).toContain('hint: the best one is not here');
  });

  it('knows what the folder’s agent knows: a base that nothing lies on, and which layer of the store it is', async () => {
    const catalog = await Catalog.open(at('.layermover/layers'));
    const file = at('flat.raw');
    const shape = {
      chunkBytes: 64 * KiB,
      role: 'base',
      kind: 'we',
      virtualBytes: 4 * MiB,
      dataBytes: 4 * MiB,
    } as const;
    const identity = (await identityOf(systemFiles, file))!;
    const lies = {
      name: 'flat.raw',
      parent: null,
      below: null,
      container: { format: 'raw', cluster_bytes: 64 * KiB },
    } as const;
    const known = { ...shape, ...lies, layerId: 'a'.repeat(64), path: file, identity, migration: `m${'0'.repeat(20)}` };
    await catalog.put(known);
    const said = await call('layer', 'suggest', at('web-1.raw'), '--cloud', api.cloudFile, '--json');
    const candidates = said.lines().at(-1)!.candidates as Record<string, unknown>[];
    expect(candidates[0]).toMatchObject({ file, depth: 1, layer_id: 'a'.repeat(64), matched: 60 });
    expect(candidates.filter((each) => each.layer_id !== undefined)).toHaveLength(1);
    rmSync(at('.layermover'), { recursive: true });
  });

  it('finds bases in a folder that the disk is not in, based on others anywhere in it', async () => {
    const flat = join(api.folder, 'new.raw');
    copyFileSync(at('web-1.raw'), flat);
    mkdirSync(at('sub'));
    const words = ['--onto', at('os.raw'), '--out', at('sub/we.qcow2'), '--images', folder];
    await call('layer', 'derive', at('flat.raw'), ...words);
    const said = await call('layer', 'suggest', flat, '--images', folder, '--among', at('sub/we.qcow2'), '--json');
    const candidates = said.lines().at(-1)!.candidates as Record<string, unknown>[];
    expect(candidates.map(({ file }) => file)).toEqual([at('web.qcow2'), at('sub/we.qcow2'), at('os.raw')]);
    const onto = ['--onto', at('sub/we.qcow2'), '--images', folder, '--json'];
    const derived = await call('layer', 'derive', flat, ...onto);
    expect(derived.lines().at(-1)).toMatchObject({ message_type: 'derived', depth: 3, data_bytes: 256 * KiB });
    const alone = await call('layer', 'derive', flat, '--onto', at('sub/we.qcow2'), '--json');
    expect(alone.lines().at(-1)).toMatchObject({ error: { code: 'IMAGE_OUTSIDE_FOLDER' } });
    rmSync(at('sub'), { recursive: true });
    rmSync(flat);
  });

  it('tries images that are named, and says so if nothing fits', async () => {
    writeFileSync(join(api.folder, 'new.raw'), noise(MiB, 8));
    const said = await call('layer', 'suggest', join(api.folder, 'new.raw'), '--among', at('os.raw'), at('web.qcow2'));
    expect(said.stdout).toBe('');
    expect(said.stderr).toContain('no known base has any of it in its place');
    expect(said.code).toBe(0);
  });

  it('looks at suggest_images_max images at the most', async () => {
    const many = Array.from({ length: limits.suggest_images_max + 1 }, (_, i) => join(api.folder, `${i}.raw`));
    for (const file of many) writeFileSync(file, '');
    const said = await call('layer', 'suggest', at('web-1.raw'), '--among', ...many, '--json');
    expect(said.lines()).toMatchObject([{ message_type: 'error', error: { code: 'SUGGEST_TOO_MANY' } }]);
  });
});
