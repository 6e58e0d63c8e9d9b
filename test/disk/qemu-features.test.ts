import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { limits } from '../../core/limits.ts';
import { expectBytesAsQemu, expectMapAsQemu } from './as-qemu.ts';
import { describeWithQemu, qemuImg, qemuIo } from './qemu.ts';
import { KiB, MiB, noise, tempFolder, withChain } from './support.ts';

const folder = tempFolder();

/** Lets `change` alter the header of an image. */
function patch(image: string, change: (file: Buffer) => void): void {
  const file = readFileSync(image);
  change(file);
  writeFileSync(image, file);
}

async function create(name: string, ...options: string[]): Promise<string> {
  const image = folder.at(name);
  await qemuImg('create', '-f', 'qcow2', ...options, image, '4M');
  return image;
}

async function expectAsQemu(image: string): Promise<void> {
  await withChain(image, folder.path(), async ({ layers }) => {
    await expectBytesAsQemu(layers.at(-1)!);
    await expectMapAsQemu(layers.at(-1)!);
  });
}

async function expectRefused(image: string, code: string): Promise<void> {
  const before = readFileSync(image);
  const opened = withChain(image, folder.path(), async () => undefined);
  await expect(opened).rejects.toMatchObject({ code, hint: expect.any(String), data: { path: image } });
  expect(readFileSync(image).equals(before)).toBe(true);
}

describeWithQemu('images that QEMU would not read either, or not without more', () => {
  test.each(['luks', 'aes'])('encrypted with %s', async (format) => {
    const secret = ['--object', 'secret,id=key,data=abcdef'];
    const iterations = format === 'luks' ? ',encrypt.iter-time=10' : '';
    const options = `encrypt.format=${format},encrypt.key-secret=key${iterations}`;
    await expectRefused(await create(`${format}.qcow2`, ...secret, '-o', options), 'QCOW2_ENCRYPTED');
  });

  test('left dirty by a writer that was killed; read once it was checked', async () => {
    const image = await create('dirty.qcow2', '-o', 'lazy_refcounts=on');
    spawnSync('qemu-io', ['-c', 'write -P 1 0 64k', '-c', 'abort', image]);
    await expectRefused(image, 'QCOW2_DIRTY');
    await qemuImg('check', '-r', 'all', image);
    await expectAsQemu(image);
  });

  test('marked as corrupt by QEMU itself; read once it was checked', async () => {
    const image = await create('corrupt.qcow2');
    await qemuIo(image, 'write -P 1 0 64k');
    // The first data cluster becomes the refcount table's: a write to it makes QEMU see that.
    const [l1, entry] = [Number(readFileSync(image).readBigUInt64BE(40)), readFileSync(image).readBigUInt64BE(48)];
    const l2 = Number(readFileSync(image).readBigUInt64BE(l1) & 0x00fffffffffffe00n);
    patch(image, (file) => file.writeBigUInt64BE((1n << 63n) | entry, l2));
    spawnSync('qemu-io', ['-c', 'write -P 2 0 512', image]);
    expect(readFileSync(image).readBigUInt64BE(72)).toBe(2n);
    await expectRefused(image, 'QCOW2_CORRUPT');
  });

  test.each([5, 17, 63])('with the unknown incompatible feature %i', async (bit) => {
    const image = await create(`feature${bit}.qcow2`);
    patch(image, (file) => file.writeBigUInt64BE(1n << BigInt(bit), 72));
    await expectRefused(image, 'QCOW2_FEATURE_UNKNOWN');
  });
});

describeWithQemu('images that must not be refused', () => {
  test('with compatible and autoclear features, header fields and extensions that nobody knows', async () => {
    const image = await create('unknown.qcow2');
    await qemuIo(image, 'write -P 1 100k 1M', 'write -z 2M 64k');
    patch(image, (file) => {
      file.writeBigUInt64BE(1n << 50n, 80);
      file.writeBigUInt64BE(1n << 50n, 88);
      // A header of 128 bytes, then an extension.
      file.fill(0, 112, 256);
      file.writeUInt32BE(128, 100);
      file.writeUInt32BE(0x12345678, 128);
      file.writeUInt32BE(9, 132);
      file.write('something', 136);
    });
    await expectAsQemu(image);
  });

  test('with snapshots and VM states, one of them gone back to, another removed', async () => {
    const image = await create('snapshots.qcow2', '-o', 'cluster_size=4k');
    writeFileSync(folder.at('noise'), noise(100 * KiB, 1));
    const some = `write -s ${folder.at('noise')}`;
    await qemuIo(image, `${some} 0 2M`, 'write -b -P 9 0 300k');
    await qemuImg('snapshot', '-c', 'one', image);
    await qemuIo(image, `${some} 1M 2M`, 'discard 100k 50k');
    await qemuImg('snapshot', '-c', 'two', image);
    await qemuIo(image, `${some} 3M 300k`, 'write -z 0 64k');
    await qemuImg('snapshot', '-c', 'three', image);
    for (const change of [[], ['-a', 'one'], ['-d', 'two'], ['-a', 'three']]) {
      if (change.length > 0) await qemuImg('snapshot', ...change, image);
      await qemuImg('check', image);
      await expectAsQemu(image);
    }
  });

  test('grown and shrunk', async () => {
    const image = await create('resized.qcow2', '-o', 'cluster_size=512');
    await qemuIo(image, 'write -P 1 0 4M');
    for (const size of ['9M', '1537k', '3M']) {
      await qemuImg('resize', '--shrink', image, size);
      await expectAsQemu(image);
    }
  });

  test('with bitmaps that are enabled, disabled, inconsistent and stale', async () => {
    const image = await create('bitmaps.qcow2');
    for (const name of ['one', 'two', 'three']) await qemuImg('bitmap', '--add', '-g', '4k', image, name);
    await qemuIo(image, 'write -P 1 0 1M', 'discard 64k 64k');
    await qemuImg('bitmap', '--disable', image, 'two');
    await expectAsQemu(image);
    spawnSync('qemu-io', ['-c', 'write -P 2 1M 64k', '-c', 'abort', image]);
    await expectAsQemu(image);
    // Who does not know bitmaps takes their autoclear bit away.
    patch(image, (file) => file.writeBigUInt64BE(0n, 88));
    await expectAsQemu(image);
  });

  test('in the deepest chain, over a raw base, of all kinds', async () => {
    writeFileSync(folder.at('deep0'), noise(3 * MiB + 512, 3));
    writeFileSync(folder.at('noise'), noise(30 * KiB, 4));
    const kinds = ['cluster_size=512', 'compat=0.10', 'extended_l2=on,cluster_size=16k', 'cluster_size=2M', ''];
    for (let i = 1; i < limits.chain_layers_max; i++) {
      const over = ['-F', i === 1 ? 'raw' : 'qcow2', '-b', `deep${i - 1}`];
      const kind = kinds[i % kinds.length]!;
      const image = await create(`deep${i}`, ...over, ...(kind === '' ? [] : ['-o', kind]));
      await qemuIo(image, `write -s ${folder.at('noise')} ${i * 190}k 50k`, `write -z ${i * 210}k 30k`);
    }
    await expectAsQemu(folder.at(`deep${limits.chain_layers_max - 1}`));
  });
});
