import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { describeWithQemu, qemuImg } from './qemu.ts';
import { expectSame, KiB, MiB, noise, readAll, tempFolder, withChain } from './support.ts';

const folder = tempFolder();
const SIZE = 24 * MiB + 512;

async function expectClean(path: string): Promise<void> {
  const report = JSON.parse(await qemuImg('check', '--output=json', path));
  expect(report).toMatchObject({ 'check-errors': 0 });
  expect(report).not.toHaveProperty('corruptions');
  expect(report).not.toHaveProperty('leaks');
}

async function expectHolds(path: string, expected: Buffer): Promise<void> {
  await withChain(path, folder.path(), async ({ layers }) => expectSame(await readAll(layers.at(-1)!), expected));
  const raw = `${path}.expected`;
  writeFileSync(raw, expected);
  await qemuImg('compare', '-f', 'qcow2', '-F', 'raw', path, raw);
}

describeWithQemu('an image at a checkpoint', () => {
  test.concurrent.each([
    [512, 3],
    [4 * KiB, 2],
    [64 * KiB, 3],
    [2 * MiB, 3],
  ] as const)('is valid and is written on, clusters of %i bytes, version %i', async (clusterBytes, version) => {
    const below = folder.at(`below-${clusterBytes}.qcow2`);
    const expected = Buffer.alloc(SIZE);
    const shape = { virtualBytes: SIZE, clusterBytes, version };
    const base = await createQcow2(below, shape);
    noise(3 * MiB, 9).copy(expected);
    await base.write(0, expected.subarray(0, 3 * MiB));
    await base.finish();
    const chain = await openChain(below, { imageFolder: folder.path() });
    const path = folder.at(`top-${clusterBytes}.qcow2`);
    const backing = { name: `below-${clusterBytes}.qcow2`, format: 'qcow2' as const, chain: chain.layers[0]! };
    const writer = await createQcow2(path, { ...shape, backing });
    for (let round = 0; round < 8; round++) {
      // Over what was there, beside it, and parts of clusters; zeros over both; nothing at all in one round.
      if (round !== 4) {
        const at = round * 3 * MiB - (round % 3) * 10 * KiB;
        const from = Math.max(0, at);
        const bytes = noise(2 * MiB + 1536, round);
        bytes.copy(expected, from);
        await writer.write(from, bytes);
        expected.fill(0, from + MiB, from + MiB + 5 * KiB);
        await writer.writeZeros(from + MiB, 5 * KiB);
      }
      await writer.checkpoint();
      await expectClean(path);
      await expectHolds(path, expected);
    }
    await writer.finish();
    await chain.close();
    await expectClean(path);
    await expectHolds(path, expected);
  });

  test('keeps its header, and what a wide sparse disk names', async () => {
    const path = folder.at('steady.qcow2');
    const writer = await createQcow2(path, { virtualBytes: 64 * 1024 * MiB, clusterBytes: 64 * KiB, version: 3 });
    await writer.checkpoint();
    const header = readFileSync(path).subarray(0, 64 * KiB);
    for (const at of [0, 40_000, 10_000]) {
      await writer.write(at * MiB, noise(MiB, at));
      await writer.checkpoint();
    }
    expectSame(readFileSync(path).subarray(0, 64 * KiB), header);
    await expectClean(path);
    await writer.finish();
    await expectClean(path);
  });

  test('is no image before the first one', async () => {
    const path = folder.at('none-yet.qcow2');
    const writer = await createQcow2(path, { virtualBytes: SIZE, clusterBytes: 64 * KiB, version: 3 });
    await writer.write(0, noise(8 * MiB, 1));
    expect(readFileSync(path).subarray(0, 4)).toEqual(Buffer.alloc(4));
    await writer.discard();
  });
});
