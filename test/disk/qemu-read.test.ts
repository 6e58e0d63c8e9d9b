import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
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

  test.concurrent.each(shapes)('a chain of three, clusters of %i bytes, compat %s', async (cluster, compat) => {
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

  test.concurrent.each(
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

  test.concurrent.each(['off', 'metadata', 'falloc', 'full'])('preallocation %s', async (preallocation) => {
    const name = `prealloc-${preallocation}.qcow2`;
    await qemuImg('create', '-f', 'qcow2', '-o', `preallocation=${preallocation}`, folder.at(name), '5M');
    await qemuIo(folder.at(name), 'write -P 1 1M 100k', 'write -z 64k 64k', 'write -z -u 1M 64k');
    await expectAsQemuReads(name);
  });

  test.concurrent.each([16 * KiB, 64 * KiB, 2 * MiB])(
    'sub-clusters, clusters of %i bytes, over raw',
    async (cluster) => {
      const [base, top] = [`sub-${cluster}-base.qcow2`, `sub-${cluster}-top.qcow2`];
      const options = `extended_l2=on,cluster_size=${cluster}`;
      writeFileSync(folder.at(`under-${cluster}.raw`), noise(3 * MiB + 512, 5));
      await qemuImg(
        'create',
        '-f',
        'qcow2',
        '-F',
        'raw',
        '-b',
        `under-${cluster}.raw`,
        '-o',
        options,
        folder.at(base),
        '4M',
      );
      await qemuIo(folder.at(base), 'write -P 1 9k 700k', 'write -z 64k 64k', 'write -P 2 3000k 1k', 'write -z 3M 20k');
      await qemuImg('create', '-f', 'qcow2', '-F', 'qcow2', '-b', base, '-o', options, folder.at(top), String(SIZE));
      await qemuIo(folder.at(top), 'write -P 3 5k 1k', 'write -z 600k 200k', 'write -P 4 2M 2M', 'discard 3M 64k');
      await expectAsQemuReads(top);
      await expectMapAsQemu(top);
    },
  );

  test('compressed clusters among sub-clusters', async () => {
    writeFileSync(folder.at('lines.raw'), Buffer.alloc(MiB, 'a line of text that compresses well\n'));
    const options = 'extended_l2=on,cluster_size=32k,compression_type=zstd';
    const made = ['convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, 'lines.raw', 'sub-packed.qcow2'];
    await qemuImg(...made.map((word) => (word.includes('.') ? folder.at(word) : word)));
    await qemuIo(folder.at('sub-packed.qcow2'), 'write -P 1 40k 3k', 'write -z 100k 10k');
    await expectAsQemuReads('sub-packed.qcow2');
  });

  test.concurrent.each([
    ['off', 'off'],
    ['on', 'off'],
    ['off', 'on'],
  ])('an external data file, raw %s, sub-clusters %s', async (raw, extended) => {
    const name = `external-${raw}-${extended}`;
    const options = `data_file=${folder.at(`${name}.data`)},data_file_raw=${raw},extended_l2=${extended}`;
    await qemuImg('create', '-f', 'qcow2', '-o', options, folder.at(`${name}.qcow2`), String(SIZE));
    await qemuIo(
      folder.at(`${name}.qcow2`),
      'write -P 1 0 2M',
      'write -P 2 9M 512',
      'write -z 64k 128k',
      'discard 1M 64k',
    );
    await qemuImg('create', '-f', 'qcow2', '-F', 'qcow2', '-b', `${name}.qcow2`, folder.at(`${name}-top.qcow2`));
    await qemuIo(folder.at(`${name}-top.qcow2`), 'write -P 3 1M 100k');
    await expectAsQemuReads(`${name}-top.qcow2`);
    await expectMapAsQemu(`${name}.qcow2`);
  });

  test('a base by its absolute name, shorter than its overlay, with extensions we do not know', async () => {
    await qemuImg('create', '-f', 'qcow2', folder.at('short.qcow2'), '1M');
    await qemuIo(folder.at('short.qcow2'), 'write -P 1 0 1M');
    await qemuImg(
      'create',
      '-f',
      'qcow2',
      '-F',
      'qcow2',
      '-b',
      folder.at('short.qcow2'),
      folder.at('long.qcow2'),
      '3M',
    );
    await qemuImg('bitmap', '--add', folder.at('long.qcow2'), 'changed');
    await qemuIo(folder.at('long.qcow2'), 'write -P 2 512k 1k', 'write -P 3 1025k 1k');
    await expectAsQemuReads('long.qcow2');
    await expectMapAsQemu('long.qcow2');
  });

  test('a last cluster that is cut is read, one that is missing is refused, as qemu-img check has it', async () => {
    const path = folder.at('cut.qcow2');
    await qemuImg('create', '-f', 'qcow2', path, '1M');
    await qemuIo(path, 'write -P 1 0 128k');
    const { size } = statSync(path);
    truncateSync(path, size - 64 * KiB + 512);
    await qemuImg('check', path);
    await expectAsQemuReads('cut.qcow2');
    truncateSync(path, size - 64 * KiB);
    await expect(qemuImg('check', path)).rejects.toThrow();
    await expect(expectAsQemuReads('cut.qcow2')).rejects.toMatchObject({ code: 'QCOW2_INVALID' });
  });

  test('internal snapshots, all widths of refcounts, a raw base', async () => {
    await qemuImg('create', '-f', 'qcow2', folder.at('snap.qcow2'), '4M');
    await qemuIo(folder.at('snap.qcow2'), 'write -P 1 0 2M');
    await qemuImg('snapshot', '-c', 'before', folder.at('snap.qcow2'));
    await qemuIo(folder.at('snap.qcow2'), 'write -P 2 1M 2M');
    await expectAsQemuReads('snap.qcow2');
    writeFileSync(folder.at('base.raw'), noise(3 * MiB + 1024, 7));
    for (const bits of [1, 2, 4, 8, 16, 32, 64]) {
      const over = ['-F', 'raw', '-b', 'base.raw', '-o', `refcount_bits=${bits}`];
      await qemuImg('create', '-f', 'qcow2', ...over, folder.at(`bits${bits}.qcow2`), '5M');
      await qemuIo(folder.at(`bits${bits}.qcow2`), 'write -P 2 3M 100k', 'write -z 0 64k');
      await expectAsQemuReads(`bits${bits}.qcow2`);
    }
  });
});
