import { copyFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import { createQcow2, createRaw, type DiskWriter } from '../../agent/disk/writer.ts';
import { describeWithQemu, qemuImg } from './qemu.ts';
import { KiB, MiB, noise, tempFolder } from './support.ts';

const folder = tempFolder();
const SIZE = 20 * MiB + 512;

/** Runs, holes, zeros over data, parts of clusters, out of order and the odd end; changes `expected` alike. */
async function fill(writer: DiskWriter, expected: Buffer, seed: number): Promise<void> {
  const size = expected.length;
  const write = (at: number, length: number) => {
    const bytes = noise(length, seed + at);
    bytes.copy(expected, at);
    return writer.write(at, bytes);
  };
  const zero = (at: number, length: number) => {
    expected.fill(0, at, at + length);
    return writer.writeZeros(at, length);
  };
  await write(6 * MiB, 5 * MiB);
  await write(seed * 64 * KiB, 3 * MiB);
  await zero(seed * 128 * KiB + 512, 2 * MiB);
  await write(12 * MiB + 512, 1024);
  await zero(7 * MiB, 100 * KiB);
  await write(7 * MiB + 10 * KiB, 3 * KiB);
  await zero(14 * MiB, 1536);
  await write(size - 64 * KiB - 512, 64 * KiB + 512);
  await zero(size - 512, 512);
}

/** `qemu-img check` finds nothing at all, not even a leak. */
async function expectClean(path: string): Promise<void> {
  const report = JSON.parse(await qemuImg('check', '--output=json', path));
  expect(report).not.toHaveProperty('corruptions');
  expect(report).not.toHaveProperty('leaks');
  expect(report['check-errors']).toBe(0);
}

describeWithQemu('images that we made', () => {
  const shapes = [512, 4 * KiB, 64 * KiB, 2 * MiB].flatMap((cluster) =>
    ([2, 3] as const).map((version) => [cluster, version] as const),
  );

  test.concurrent.each(shapes)('a chain of three, clusters of %i bytes, version %i', async (clusterBytes, version) => {
    const name = (i: number) => `ours-${clusterBytes}-${version}-${i}.qcow2`;
    const expected = Buffer.alloc(SIZE);
    for (const i of [0, 1, 2]) {
      const below = i === 0 ? undefined : await openChain(folder.at(name(i - 1)), { imageFolder: folder.path() });
      const backing = below && { name: name(i - 1), format: 'qcow2' as const, chain: below.layers.at(-1)! };
      const writer = await createQcow2(folder.at(name(i)), {
        ...{ virtualBytes: SIZE, clusterBytes, version },
        ...(backing === undefined ? {} : { backing }),
      });
      await fill(writer, expected, i + 1);
      await writer.finish();
      await below?.close();
      await expectClean(folder.at(name(i)));
      const raw = folder.at(`${name(i)}.expected`);
      writeFileSync(raw, expected);
      await qemuImg('compare', '-f', 'qcow2', '-F', 'raw', folder.at(name(i)), raw);
      const info = JSON.parse(await qemuImg('info', '--output=json', folder.at(name(i))));
      expect(info).toMatchObject({ 'virtual-size': SIZE, 'cluster-size': clusterBytes });
      expect(info['format-specific'].data.compat).toBe(version === 2 ? '0.10' : '1.1');
      expect(info['backing-filename']).toBe(i === 0 ? undefined : name(i - 1));
      expect(info['backing-filename-format']).toBe(i === 0 ? undefined : 'qcow2');
    }
  });

  test('goes on being written by QEMU', async () => {
    const writer = await createQcow2(folder.at('go-on.qcow2'), {
      virtualBytes: SIZE,
      clusterBytes: 64 * KiB,
      version: 3,
    });
    const expected = Buffer.alloc(SIZE);
    await fill(writer, expected, 1);
    await writer.finish();
    writeFileSync(folder.at('go-on.raw'), expected);
    const copy = folder.at('go-on-qemu.qcow2');
    copyFileSync(folder.at('go-on.qcow2'), copy);
    await qemuImg('snapshot', '-c', 'mark', copy);
    await qemuImg('resize', copy, '64M');
    await expectClean(copy);
    await qemuImg('snapshot', '-a', 'mark', copy);
    await qemuImg('compare', '-f', 'qcow2', '-F', 'raw', copy, folder.at('go-on.raw'));
  });

  test('no clusters at all, a disk of no bytes, and a wide sparse one', async () => {
    for (const virtualBytes of [0, 512, 8 * 1024 ** 4]) {
      for (const version of [2, 3] as const) {
        const path = folder.at(`empty-${virtualBytes}-${version}.qcow2`);
        const writer = await createQcow2(path, { virtualBytes, clusterBytes: 64 * KiB, version });
        if (virtualBytes > 512) await writer.write(virtualBytes - MiB, noise(MiB, 1));
        await writer.finish();
        await expectClean(path);
      }
    }
  });

  test('raw', async () => {
    const expected = Buffer.alloc(SIZE);
    const writer = await createRaw(folder.at('ours.raw'), { virtualBytes: SIZE });
    await fill(writer, expected, 1);
    await writer.finish();
    writeFileSync(folder.at('expected.raw'), expected);
    await qemuImg('compare', '-f', 'raw', '-F', 'raw', folder.at('ours.raw'), folder.at('expected.raw'));
  });
});
