import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeWithQemu, qemuImg, qemuIo } from './qemu.ts';
import { expectSame, extentsOf, KiB, MiB, noise, readAll, tempFolder, withChain } from './support.ts';

const folder = tempFolder();
const SIZE = 9 * MiB + 512;

/** All layers of a chain, each as qemu-img reads it and as we do. */
async function expectAsQemuReads(top: string): Promise<void> {
  await withChain(folder.at(top), folder.path(), async ({ layers }) => {
    for (const layer of layers) {
      const out = `${top}.out`;
      await qemuImg('convert', '-f', layer.format, '-O', 'raw', layer.path, folder.at(out));
      expectSame(await readAll(layer), readFileSync(folder.at(out)));
    }
  });
}

interface MapItem {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly present: boolean;
  readonly zero: boolean;
  readonly data: boolean;
}

/** What the top layer itself holds by `qemu-img map`: where its depth is 0 and something is present. */
async function expectMapAsQemu(top: string): Promise<void> {
  const items: MapItem[] = JSON.parse(await qemuImg('map', '--output=json', folder.at(top)));
  const expected: { offset: number; length: number; state: string }[] = [];
  for (const { start: offset, length, depth, present, zero, data } of items) {
    const state = depth > 0 || !present ? 'absent' : zero && !data ? 'zero' : 'data';
    const last = expected.at(-1);
    if (last?.state === state) last.length += length;
    else expected.push({ offset, length, state });
  }
  await withChain(folder.at(top), folder.path(), async ({ layers }) => {
    expect(await extentsOf(layers.at(-1)!)).toEqual(expected);
  });
}

describeWithQemu('images that QEMU made', () => {
  const shapes = [4 * KiB, 64 * KiB, 2 * MiB, 512].flatMap((cluster) =>
    (['0.10', '1.1'] as const).map((compat) => [cluster, compat] as const),
  );

  test.each(shapes)('a chain of three, clusters of %i bytes, compat %s', async (cluster, compat) => {
    const name = (i: number) => `made-${cluster}-${compat}-${i}.qcow2`;
    const options = `cluster_size=${cluster},compat=${compat}`;
    await qemuImg('create', '-f', 'qcow2', '-o', options, folder.at(name(0)), '8M');
    await qemuIo(folder.at(name(0)), 'write -P 1 0 3M', 'write -P 2 5M 600k', 'write -z 1M 64k');
    const over = ['-F', 'qcow2', '-o', options, '-b'];
    await qemuImg('create', '-f', 'qcow2', ...over, name(0), folder.at(name(1)), String(SIZE));
    await qemuIo(folder.at(name(1)), 'write -P 3 2559k 3k', 'write -z 512k 2M', 'write -P 4 8M 1k', 'discard 5M 64k');
    await qemuImg('create', '-f', 'qcow2', ...over, name(1), folder.at(name(2)), String(SIZE - MiB));
    await qemuIo(folder.at(name(2)), 'write -P 5 700k 1k', 'write -z 5M 1M', 'write -P 6 6M 512', 'write -z 700k 512');
    await expectAsQemuReads(name(2));
    await expectMapAsQemu(name(2));
  });

  test.each(
    (['zlib', 'zstd'] as const).flatMap((type) => [512, 4 * KiB, 64 * KiB, 2 * MiB].map((c) => [type, c] as const)),
  )('%s, clusters of %i bytes, written over in part', async (type, cluster) => {
    const name = `compressed-${type}-${cluster}`;
    const some = Math.max(256 * KiB, cluster);
    const text = Buffer.alloc(some, 'a line of text that compresses well\n');
    const content = Buffer.concat([text, noise(some, 1), Buffer.alloc(some), text, noise(some / 4 + 1024, 2)]);
    writeFileSync(folder.at(`${name}.raw`), content);
    const options = ['-O', 'qcow2', '-c', '-o', `compression_type=${type},cluster_size=${cluster}`];
    await qemuImg('convert', '-f', 'raw', ...options, folder.at(`${name}.raw`), folder.at(`${name}.qcow2`));
    await qemuIo(folder.at(`${name}.qcow2`), 'write -P 9 100k 70k', 'write -z 300k 128k');
    await expectAsQemuReads(`${name}.qcow2`);
    await withChain(folder.at(`${name}.qcow2`), folder.path(), async ({ layers: [layer] }) => {
      expect(layer!.qcow2!.compression).toBe(type === 'zlib' ? 'deflate' : 'zstd');
      expect((await layer!.pieces(0, layer!.virtualBytes)).some((piece) => piece.kind === 'compressed')).toBe(true);
    });
  });

  test.each(['off', 'metadata', 'falloc', 'full'])('preallocation %s', async (preallocation) => {
    const name = `prealloc-${preallocation}.qcow2`;
    await qemuImg('create', '-f', 'qcow2', '-o', `preallocation=${preallocation}`, folder.at(name), '5M');
    await qemuIo(folder.at(name), 'write -P 1 1M 100k', 'write -z 64k 64k', 'write -z -u 1M 64k');
    await expectAsQemuReads(name);
  });

  test('internal snapshots, refcounts of one bit and of 64, a raw base', async () => {
    await qemuImg('create', '-f', 'qcow2', folder.at('snap.qcow2'), '4M');
    await qemuIo(folder.at('snap.qcow2'), 'write -P 1 0 2M');
    await qemuImg('snapshot', '-c', 'before', folder.at('snap.qcow2'));
    await qemuIo(folder.at('snap.qcow2'), 'write -P 2 1M 2M');
    await expectAsQemuReads('snap.qcow2');
    writeFileSync(folder.at('base.raw'), noise(3 * MiB + 1024, 7));
    for (const bits of [1, 64]) {
      const over = ['-F', 'raw', '-b', 'base.raw', '-o', `refcount_bits=${bits}`];
      await qemuImg('create', '-f', 'qcow2', ...over, folder.at(`bits${bits}.qcow2`), '5M');
      await qemuIo(folder.at(`bits${bits}.qcow2`), 'write -P 2 3M 100k', 'write -z 0 64k');
      await expectAsQemuReads(`bits${bits}.qcow2`);
    }
  });
});
