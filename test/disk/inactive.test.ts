import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { diskLimits } from '../../agent/disk/limits.ts';
import { expectSame, extentsOf, KiB, MiB, noise, readAll, tempFolder, withChain } from './support.ts';
import { COPIED, dataEntry, FIRST_DATA, writeTinyImage } from './tiny-image.ts';

const folder = tempFolder();
const CLUSTER = 64 * KiB;
const IMAGE = 'image.qcow2';
/** Cluster numbers of what is put behind the first data cluster. */
const [DATA, TABLE, L1, L2, DIRECTORY, BITS] = [0, 1, 2, 3, 4, 5].map((i) => FIRST_DATA + i) as [
  number,
  number,
  number,
  number,
  number,
  number,
];

type Patch = (file: Buffer) => void;

/** An image of one data cluster with a snapshot, which has tables of its own, and a bitmap; then changed by `patch`. */
function write(patch: Patch = () => undefined, l2: readonly bigint[] = [dataEntry(DATA)]): void {
  writeTinyImage(folder.at(IMAGE), {
    l2,
    data: noise(6 * CLUSTER, 1),
    patch: (file) => {
      file.fill(0, TABLE * CLUSTER);
      snapshot(file, { table: TABLE, l1: L1, entries: 1 });
      file.writeBigUInt64BE(dataEntry(L2), L1 * CLUSTER);
      bitmap(file);
      patch(file);
      return file;
    },
  });
}

function snapshot(file: Buffer, { table, l1, entries }: { table: number; l1: number; entries: number }): void {
  file.writeUInt32BE(1, 60);
  file.writeBigUInt64BE(BigInt(table * CLUSTER), 64);
  file.writeBigUInt64BE(BigInt(l1 * CLUSTER), table * CLUSTER);
  file.writeUInt32BE(entries, table * CLUSTER + 8);
  file.writeUInt32BE(16, table * CLUSTER + 36);
}

/** The extension, a directory of one bitmap of one cluster, and after it, in the same cluster as the directory, no more. */
function bitmap(file: Buffer): void {
  file.writeBigUInt64BE(1n, 88);
  file.writeUInt32BE(0x23852875, 104);
  file.writeUInt32BE(24, 108);
  file.writeUInt32BE(1, 112);
  file.writeBigUInt64BE(32n, 120);
  file.writeBigUInt64BE(BigInt(DIRECTORY * CLUSTER), 128);
  const entry = DIRECTORY * CLUSTER;
  file.writeBigUInt64BE(BigInt(BITS * CLUSTER), entry);
  file.writeUInt32BE(1, entry + 8);
  file[entry + 16] = 1;
  file[entry + 17] = 16;
  file.writeUInt16BE(3, entry + 18);
  file.write('one', entry + 24);
}

async function readEverything(): Promise<Buffer> {
  return withChain(folder.at(IMAGE), folder.path(), async ({ layers: [layer] }) => {
    await extentsOf(layer!);
    return readAll(layer!);
  });
}

/** A second bitmap like the first, but for where its table is. */
function twoOfOneName(file: Buffer): void {
  file.writeUInt32BE(2, 112);
  file.writeBigUInt64BE(64n, 120);
  const entry = DIRECTORY * CLUSTER;
  file.copy(file, entry + 32, entry, entry + 32);
  file.fill(0, L1 * CLUSTER, (L1 + 1) * CLUSTER);
  file.writeBigUInt64BE(BigInt(L1 * CLUSTER), entry + 32);
  file.writeUInt32BE(0, 60);
}

const set =
  (at: number, value: bigint | number): Patch =>
  (file) => {
    if (typeof value === 'bigint') file.writeBigUInt64BE(value, at);
    else file.writeUInt32BE(value, at);
  };

describe('an image with a snapshot and a bitmap', () => {
  test('is read in its active state', async () => {
    write();
    expectSame(await readEverything(), noise(CLUSTER, 1));
  });

  test('may share an L2 table with its snapshot, and snapshots theirs with each other', async () => {
    write(set(L1 * CLUSTER, BigInt(4 * CLUSTER)));
    expectSame(await readEverything(), noise(CLUSTER, 1));
    write((file) => {
      file.writeUInt32BE(2, 60);
      file.copy(file, TABLE * CLUSTER + 56, TABLE * CLUSTER, TABLE * CLUSTER + 40);
      file.writeBigUInt64BE(BigInt(BITS * CLUSTER), TABLE * CLUSTER + 56);
      file.writeBigUInt64BE(BigInt(L2 * CLUSTER), BITS * CLUSTER);
      file.writeBigUInt64BE(0n, 88);
    });
    expectSame(await readEverything(), noise(CLUSTER, 1));
  });

  test('passes over bitmaps that a writer made stale, wherever they are', async () => {
    write((file) => {
      file.writeBigUInt64BE(0n, 88);
      file.writeBigUInt64BE(BigInt(3 * CLUSTER), 128);
    });
    expectSame(await readEverything(), noise(CLUSTER, 1));
  });

  const entry = DIRECTORY * CLUSTER;
  const cases: readonly (readonly [what: string, code: string, patch: Patch])[] = [
    ['a snapshot’s L1 table over the active one', 'QCOW2_OVERLAP', set(TABLE * CLUSTER, BigInt(3 * CLUSTER))],
    ['a snapshot’s L1 table in the table of snapshots', 'QCOW2_OVERLAP', set(TABLE * CLUSTER, BigInt(TABLE * CLUSTER))],
    ['a snapshot’s L1 table beyond the file', 'QCOW2_INVALID', set(TABLE * CLUSTER, BigInt(99 * CLUSTER))],
    ['a snapshot’s L1 table that is not aligned', 'QCOW2_INVALID', set(TABLE * CLUSTER, BigInt(L1 * CLUSTER + 512))],
    ['a snapshot’s L1 table over the limit', 'QCOW2_INVALID', set(TABLE * CLUSTER + 8, 0x7fffffff)],
    ['a snapshot’s L2 table that is a refcount block', 'QCOW2_OVERLAP', set(L1 * CLUSTER, BigInt(2 * CLUSTER))],
    ['a snapshot’s L2 table in the header', 'QCOW2_INVALID', set(L1 * CLUSTER, COPIED)],
    ['a snapshot’s L2 table beyond the file', 'QCOW2_INVALID', set(L1 * CLUSTER, dataEntry(99))],
    ['a directory of bitmaps over L1', 'QCOW2_INVALID', set(128, BigInt(3 * CLUSTER))],
    ['a bitmap’s table in the directory', 'QCOW2_OVERLAP', set(entry, BigInt(entry))],
    ['a directory of bitmaps beyond the file', 'QCOW2_INVALID', set(128, BigInt(99 * CLUSTER))],
    ['a directory of bitmaps over the limit', 'QCOW2_INVALID', set(120, 1n << 40n)],
    ['a directory of bitmaps beyond 2^53', 'QCOW2_INVALID', set(120, 1n << 60n)],
    ['a directory longer than its bitmaps', 'QCOW2_INVALID', set(120, 40n)],
    ['more bitmaps than the directory has', 'QCOW2_INVALID', set(112, 2)],
    ['no bitmaps', 'QCOW2_INVALID', set(112, 0)],
    ['an extension of another length', 'QCOW2_INVALID', set(108, 16)],
    ['a bitmap’s table over the refcount table', 'QCOW2_OVERLAP', set(entry, BigInt(CLUSTER))],
    ['a bitmap’s table beyond the file', 'QCOW2_INVALID', set(entry, BigInt(99 * CLUSTER))],
    ['a bitmap’s table that does not fit the disk', 'QCOW2_INVALID', set(entry + 8, 2)],
    ['two bitmaps of one name', 'QCOW2_INVALID', twoOfOneName],
    ['a bitmap of an unknown kind', 'QCOW2_INVALID', set(entry + 12, 8)],
    ['the bits of a bitmap in an L2 table', 'QCOW2_OVERLAP', set(BITS * CLUSTER, BigInt(4 * CLUSTER))],
    ['the bits of a bitmap beyond the file', 'QCOW2_INVALID', set(BITS * CLUSTER, BigInt(99 * CLUSTER))],
  ];

  test.each(cases)('%s: %s', async (_, code, patch) => {
    write(patch);
    const before = readFileSync(folder.at(IMAGE));
    await expect(readEverything()).rejects.toMatchObject({ code, hint: expect.any(String) });
    expect(readFileSync(folder.at(IMAGE)).equals(before)).toBe(true);
  });

  test.each([
    ['the table of snapshots', TABLE],
    ['a snapshot’s L1 table', L1],
    ['a snapshot’s L2 table', L2],
    ['the directory of bitmaps', DIRECTORY],
    ['a bitmap’s table', BITS],
  ])('data in %s are refused', async (_, cluster) => {
    write(undefined, [dataEntry(cluster)]);
    await expect(readEverything()).rejects.toMatchObject({ code: 'QCOW2_OVERLAP' });
  });
});

test('as many and as large tables of snapshots as there may be are opened in bounded time and memory', async () => {
  const snapshots = 4096;
  const l1Bytes = diskLimits.l1_bytes_max;
  const first = 16 * MiB;
  writeTinyImage(folder.at('many.qcow2'), { l2: [dataEntry(DATA)], data: noise(CLUSTER, 1) });
  const file = openSync(folder.at('many.qcow2'), 'r+');
  const table = Buffer.alloc(56 * snapshots);
  for (let i = 0; i < snapshots; i++) {
    table.writeBigUInt64BE(BigInt(first + i * l1Bytes), 56 * i);
    table.writeUInt32BE(l1Bytes / 8, 56 * i + 8);
    table.writeUInt32BE(16, 56 * i + 36);
  }
  const head = Buffer.alloc(12);
  head.writeUInt32BE(snapshots);
  head.writeBigUInt64BE(BigInt(8 * CLUSTER), 4);
  writeSync(file, head, 0, 12, 60);
  writeSync(file, table, 0, table.length, 8 * CLUSTER);
  ftruncateSync(file, first + snapshots * l1Bytes);
  closeSync(file);
  const before = process.memoryUsage().rss;
  const start = performance.now();
  await withChain(folder.at('many.qcow2'), folder.path(), async ({ layers: [layer] }) => {
    expectSame(await readAll(layer!), noise(CLUSTER, 1));
  });
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(256 * MiB);
});
