import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { diskLimits } from '../../agent/disk/limits.ts';
import { limits } from '../../core/limits.ts';
import { expectSame, extentsOf, KiB, MiB, noise, readAll, tempFolder, withChain } from './support.ts';
import { dataEntry, FIRST_DATA, type TinyImage, writeTinyImage } from './tiny-image.ts';

const folder = tempFolder();
const CLUSTER = 64 * KiB;
const ONE: TinyImage = { l2: [dataEntry(FIRST_DATA)], data: noise(CLUSTER, 1) };
const GiB = 1024 * MiB;

/** Reads the map of an image, or hears why not; what that took. */
async function cost(name: string): Promise<{ code: string | undefined; ms: number; bytes: number }> {
  const before = process.memoryUsage().rss;
  const start = performance.now();
  const map = withChain(folder.at(name), folder.path(), ({ layers }) => extentsOf(layers.at(-1)!));
  const code = await map.then(
    () => undefined,
    (error) => error.code,
  );
  return { code, ms: performance.now() - start, bytes: process.memoryUsage().rss - before };
}

/** Parts of a sparse file of `size` bytes. */
function writeSparse(name: string, size: number, parts: readonly (readonly [at: number, bytes: Buffer])[]): void {
  const file = openSync(folder.at(name), 'r+');
  for (const [at, bytes] of parts) writeSync(file, bytes, 0, bytes.length, at);
  ftruncateSync(file, size);
  closeSync(file);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

describe('time and memory are bounded for', () => {
  const bounded = { ms: 10_000, bytes: 256 * MiB };
  const within = (found: Awaited<ReturnType<typeof cost>>) => {
    expect(found.ms).toBeLessThan(bounded.ms);
    expect(found.bytes).toBeLessThan(bounded.bytes);
    return found.code;
  };

  test.each([4 * KiB, 2 ** 21])('the largest tables, clusters of %i bytes', async (clusterBytes) => {
    const clusterBits = Math.log2(clusterBytes);
    const l1At = 64 * MiB;
    const refcountsAt = l1At + diskLimits.l1_bytes_max;
    writeTinyImage(folder.at('largest.qcow2'), {
      clusterBits,
      l2: [dataEntry(FIRST_DATA, clusterBits)],
      data: noise(clusterBytes, 1),
    });
    const disk = Math.min(limits.disk_bytes_max, (diskLimits.l1_bytes_max / 8) * clusterBytes * (clusterBytes / 8));
    const entry = readFileSync(folder.at('largest.qcow2')).subarray(3 * clusterBytes, 3 * clusterBytes + 8);
    writeSparse('largest.qcow2', refcountsAt + diskLimits.refcount_table_bytes_max, [
      [24, u64(disk)],
      [36, u32(diskLimits.l1_bytes_max / 8)],
      [40, u64(l1At)],
      [48, u64(refcountsAt)],
      [56, u32(diskLimits.refcount_table_bytes_max / clusterBytes)],
      [l1At, entry],
    ]);
    expect(within(await cost('largest.qcow2'))).toBeUndefined();
  });

  test.each([
    ['outside', 2 ** 50, 'QCOW2_INVALID'],
    ['at one place', 64 * MiB, 'QCOW2_OVERLAP'],
  ])('an L1 table full of tables, all of them %s', async (_, offset, code) => {
    const entry = u64(offset);
    entry[0] = 0x80;
    writeTinyImage(folder.at('full.qcow2'), { clusterBits: 9 });
    writeSparse('full.qcow2', 65 * MiB, [
      [36, u32(diskLimits.l1_bytes_max / 8)],
      [40, u64(MiB)],
      [MiB, Buffer.alloc(diskLimits.l1_bytes_max, entry)],
    ]);
    expect(within(await cost('full.qcow2'))).toBe(code);
  });

  test('a wide disk of which nearly nothing is there', async () => {
    const size = limits.disk_bytes_max;
    const l1At = MiB;
    const l1Entries = Math.ceil(size / (512 * 1024 * KiB));
    writeTinyImage(folder.at('wide.qcow2'), ONE);
    writeSparse('wide.qcow2', l1At + Math.ceil((l1Entries * 8) / CLUSTER) * CLUSTER, [
      [24, u64(size)],
      [36, u32(l1Entries)],
      [40, u64(l1At)],
      [l1At + 8 * (l1Entries - 1), readFileSync(folder.at('wide.qcow2')).subarray(3 * CLUSTER, 3 * CLUSTER + 8)],
    ]);
    expect(within(await cost('wide.qcow2'))).toBeUndefined();
  });
});

describe('an absurd disk size is refused', () => {
  test.each([
    ['one sector more than there may be', limits.disk_bytes_max + 512, 'DISK_TOO_LARGE'],
    ['a PiB', 1024 * 1024 * GiB, 'DISK_TOO_LARGE'],
    ['2^53 - 512', 2 ** 53 - 512, 'DISK_TOO_LARGE'],
  ])('%s', async (_, size, code) => {
    const l1Entries = Math.ceil(size / (512 * 1024 * KiB));
    writeTinyImage(folder.at('absurd.qcow2'), ONE);
    writeSparse('absurd.qcow2', MiB + Math.ceil((l1Entries * 8) / CLUSTER) * CLUSTER, [
      [24, u64(size)],
      [36, u32(Math.min(l1Entries, 0xffffffff))],
      [40, u64(MiB)],
    ]);
    const { code: found, ms } = await cost('absurd.qcow2');
    expect([code, 'QCOW2_TABLE_TOO_LARGE']).toContain(found);
    expect(ms).toBeLessThan(2_000);
  });

  test('a raw file that is longer', async () => {
    writeFileSync(folder.at('long.raw'), '');
    try {
      ftruncateSync(openSync(folder.at('long.raw'), 'r+'), limits.disk_bytes_max + 512);
    } catch {
      return;
    }
    expect((await cost('long.raw')).code).toBe('DISK_TOO_LARGE');
  });
});

test('an image cut off anywhere is refused, or only its last cluster reads as zeros where it is cut', async () => {
  const l2 = [0, 1, 2].map((i) => dataEntry(FIRST_DATA + i));
  writeTinyImage(folder.at('cut.qcow2'), { l2, data: noise(3 * CLUSTER, 1) });
  const whole = readFileSync(folder.at('cut.qcow2'));
  const plain = noise(3 * CLUSTER, 1);
  for (let length = 0; length < whole.length; length += 12 * KiB + 512) {
    writeFileSync(folder.at('cut.qcow2'), whole.subarray(0, length));
    const read = withChain(folder.at('cut.qcow2'), folder.path(), ({ layers }) => readAll(layers.at(-1)!));
    const found = await read.catch((error) => error.code);
    if (length <= whole.length - CLUSTER) {
      expect(['QCOW2_INVALID', 'IMAGE_FORMAT_AMBIGUOUS']).toContain(found);
    } else {
      const there = length - FIRST_DATA * CLUSTER;
      expectSame(found, Buffer.concat([plain.subarray(0, there), Buffer.alloc(plain.length - there)]));
    }
  }
});
