import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { expectSame, extentsOf, KiB, noise, readAll, tempFolder, withChain } from './support.ts';
import { COPIED, compressedEntry, dataEntry, FIRST_DATA, writeTinyImage } from './tiny-image.ts';

const folder = tempFolder();
const CLUSTER = 64 * KiB;
const BASE = 'base.raw';

describe('an image built by hand', () => {
  test('holds absent, zero and data clusters, and shows its base where it is absent', async () => {
    const [a, b, base] = [noise(CLUSTER, 1), noise(CLUSTER, 2), noise(2 * CLUSTER + 1000, 3)];
    writeFileSync(folder.at(BASE), base);
    writeTinyImage(folder.at('kinds.qcow2'), {
      l2: [dataEntry(FIRST_DATA), 1n, 0n, dataEntry(FIRST_DATA + 1), COPIED | 1n | BigInt(FIRST_DATA * CLUSTER), 0n],
      data: Buffer.concat([a, b]),
      backing: { name: BASE, format: 'raw' },
    });
    await withChain(folder.at('kinds.qcow2'), folder.path(), async ({ layers: [bottom, top] }) => {
      const zeros = Buffer.alloc(CLUSTER);
      const shown = Buffer.concat([base.subarray(2 * CLUSTER), Buffer.alloc(CLUSTER - 1000)]);
      expectSame(await readAll(top!), Buffer.concat([a, zeros, shown, b, zeros, zeros]));
      expectSame(await readAll(bottom!), base);
      expect(await extentsOf(top!)).toEqual([
        { offset: 0, length: CLUSTER, state: 'data' },
        { offset: CLUSTER, length: CLUSTER, state: 'zero' },
        { offset: 2 * CLUSTER, length: CLUSTER, state: 'absent' },
        { offset: 3 * CLUSTER, length: CLUSTER, state: 'data' },
        { offset: 4 * CLUSTER, length: CLUSTER, state: 'zero' },
        { offset: 5 * CLUSTER, length: CLUSTER, state: 'absent' },
      ]);
      expect(await extentsOf(bottom!)).toEqual([{ offset: 0, length: base.length, state: 'data' }]);
      expect(top).toMatchObject({
        format: 'qcow2',
        clusterBytes: CLUSTER,
        qcow2: { version: 3, compression: 'deflate' },
      });
    });
  });

  test('gives clusters that follow each other in the file as one piece', async () => {
    const data = noise(4 * CLUSTER, 4);
    const l2 = [0, 1, 3, 2].map((i) => dataEntry(FIRST_DATA + i));
    writeTinyImage(folder.at('runs.qcow2'), { version: 2, l2, data });
    await withChain(folder.at('runs.qcow2'), folder.path(), async ({ layers: [layer] }) => {
      const pieces = await layer!.pieces(512, 4 * CLUSTER - 1024);
      expect(pieces).toMatchObject([
        { at: 512, length: 2 * CLUSTER - 512, kind: 'file', offset: FIRST_DATA * CLUSTER + 512 },
        { at: 2 * CLUSTER, length: CLUSTER, kind: 'file', offset: (FIRST_DATA + 3) * CLUSTER },
        { at: 3 * CLUSTER, length: CLUSTER - 512, kind: 'file', offset: (FIRST_DATA + 2) * CLUSTER },
      ]);
      expect(await extentsOf(layer!)).toEqual([{ offset: 0, length: 4 * CLUSTER, state: 'data' }]);
    });
  });

  test('reads as zeros beyond the end of its file', async () => {
    const data = noise(1000, 5);
    writeTinyImage(folder.at('short.qcow2'), { l2: [dataEntry(FIRST_DATA)], data });
    await withChain(folder.at('short.qcow2'), folder.path(), async ({ layers: [layer] }) => {
      expectSame(await readAll(layer!), Buffer.concat([data, Buffer.alloc(CLUSTER - 1000)]));
    });
  });

  const checksummed = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
  test.each([
    ['deflate', 9, (plain: Buffer) => deflateRawSync(plain, { windowBits: 12 })],
    ['deflate', 16, (plain: Buffer) => deflateRawSync(plain, { windowBits: 12 })],
    ['zstd', 16, (plain: Buffer) => zstdCompressSync(plain)],
    ['zstd', 21, (plain: Buffer) => zstdCompressSync(plain, checksummed)],
  ] as const)('holds %s clusters of 2^%i bytes packed side by side', async (codec, clusterBits, compress) => {
    const clusterBytes = 2 ** clusterBits;
    const plain = [0, 1, 2].map((i) => {
      const half = noise(clusterBytes / 2, 10 + i);
      return Buffer.concat([half, half]);
    });
    const stored = [compress(plain[0]!), compress(plain[1]!), compress(Buffer.alloc(clusterBytes, 7))];
    const starts = [0, stored[0]!.length, stored[0]!.length + stored[1]!.length];
    const at = (i: number) => FIRST_DATA * clusterBytes + 77 + starts[i]!;
    writeTinyImage(folder.at('packed.qcow2'), {
      clusterBits,
      l2: [2, 0, 1].map((i) => compressedEntry(at(i), stored[i]!.length, clusterBits)),
      data: Buffer.concat([Buffer.alloc(77), ...stored]),
      ...(codec === 'zstd' ? { compression: 1 } : {}),
    });
    await withChain(folder.at('packed.qcow2'), folder.path(), async ({ layers: [layer] }) => {
      expect(layer!.qcow2).toEqual({ version: 3, compression: codec });
      const expected = Buffer.concat([Buffer.alloc(clusterBytes, 7), plain[0]!, plain[1]!]);
      expectSame(await readAll(layer!), expected);
      expectSame(await readAll(layer!, clusterBytes / 2 + (clusterBits > 9 ? 512 : 0)), expected);
    });
  });

  test('is read by another thread, too', async () => {
    const plain = Buffer.concat([noise(CLUSTER, 8), Buffer.alloc(CLUSTER, 9)]);
    const stored = deflateRawSync(plain.subarray(CLUSTER));
    writeTinyImage(folder.at('thread.qcow2'), {
      l2: [dataEntry(FIRST_DATA), compressedEntry((FIRST_DATA + 1) * CLUSTER, stored.length)],
      data: Buffer.concat([plain.subarray(0, CLUSTER), stored]),
    });
    await withChain(folder.at('thread.qcow2'), folder.path(), async ({ layers: [layer] }) => {
      const into = new Uint8Array(new SharedArrayBuffer(plain.length));
      const code = `const { workerData: { module, pieces, into } } = require('node:worker_threads');
        import(module).then(({ readPieces }) => readPieces(pieces, 0, into));`;
      const module = new URL('../../agent/disk/pieces.ts', import.meta.url).href;
      const pieces = await layer!.pieces(0, plain.length);
      await once(new Worker(code, { eval: true, workerData: { module, pieces, into } }), 'exit');
      expectSame(into, plain);
    });
  });

  test('is read in its active state when it has snapshots', async () => {
    writeTinyImage(folder.at('snapshots.qcow2'), {
      l2: [dataEntry(FIRST_DATA)],
      data: noise(2 * CLUSTER, 6),
      patch: (file) => {
        file.writeUInt32BE(1, 60);
        file.writeBigUInt64BE(BigInt((FIRST_DATA + 1) * CLUSTER), 64);
        // A snapshot's entry begins with 36 bytes, then the length of what follows: no less than 16.
        file.fill(0, (FIRST_DATA + 1) * CLUSTER, (FIRST_DATA + 1) * CLUSTER + 40);
        file.writeUInt32BE(16, (FIRST_DATA + 1) * CLUSTER + 36);
        return file;
      },
    });
    await withChain(folder.at('snapshots.qcow2'), folder.path(), async ({ layers: [layer] }) => {
      expectSame(await readAll(layer!), noise(2 * CLUSTER, 6).subarray(0, CLUSTER));
    });
  });
});
