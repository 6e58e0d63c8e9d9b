import { statSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { expectBytesAsQemu, expectMapAsQemu } from './as-qemu.ts';
import { describeWithQemu, qemuImg, qemuIo } from './qemu.ts';
import { KiB, MiB, noise, tempFolder, withChain } from './support.ts';

const folder = tempFolder();
const SIZE = 9 * MiB + 512;

/** All layers of a chain, each as qemu-img reads it and as we do, and the map of the top. */
async function expectAsQemu(top: string): Promise<void> {
  await withChain(folder.at(top), folder.path(), async ({ layers }) => {
    for (const layer of layers) await expectBytesAsQemu(layer);
    await expectMapAsQemu(layers.at(-1)!);
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
    await expectAsQemu(name(2));
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
    await expectAsQemu(`${name}.qcow2`);
    await withChain(folder.at(`${name}.qcow2`), folder.path(), async ({ layers: [layer] }) => {
      expect(layer!.qcow2!.compression).toBe(type === 'zlib' ? 'deflate' : 'zstd');
      expect((await layer!.pieces(0, layer!.virtualBytes)).some((piece) => piece.kind === 'compressed')).toBe(true);
    });
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
      await expectAsQemu(top);
    },
  );

  test('compressed clusters among sub-clusters', async () => {
    writeFileSync(folder.at('lines.raw'), Buffer.alloc(MiB, 'a line of text that compresses well\n'));
    const options = 'extended_l2=on,cluster_size=32k,compression_type=zstd';
    const made = ['convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, 'lines.raw', 'sub-packed.qcow2'];
    await qemuImg(...made.map((word) => (word.includes('.') ? folder.at(word) : word)));
    await qemuIo(folder.at('sub-packed.qcow2'), 'write -P 1 40k 3k', 'write -z 100k 10k');
    await expectAsQemu('sub-packed.qcow2');
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
    await expectAsQemu(`${name}-top.qcow2`);
    await expectAsQemu(`${name}.qcow2`);
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
    await expectAsQemu('long.qcow2');
  });

  test('a last cluster that is cut is read, one that is missing is refused, as qemu-img check has it', async () => {
    const path = folder.at('cut.qcow2');
    await qemuImg('create', '-f', 'qcow2', path, '1M');
    await qemuIo(path, 'write -P 1 0 128k');
    const { size } = statSync(path);
    truncateSync(path, size - 64 * KiB + 512);
    await qemuImg('check', path);
    await expectAsQemu('cut.qcow2');
    truncateSync(path, size - 64 * KiB);
    await expect(qemuImg('check', path)).rejects.toThrow();
    await expect(expectAsQemu('cut.qcow2')).rejects.toMatchObject({ code: 'QCOW2_INVALID' });
  });
});
