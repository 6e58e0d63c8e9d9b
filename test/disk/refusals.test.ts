import { linkSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createQcow2, createRaw } from '../../agent/disk/writer.ts';
import { limits } from '../../core/limits.ts';
import { extentsOf, KiB, noise, readAll, tempFolder, withChain } from './support.ts';
import { COPIED, compressedEntry, dataEntry, FIRST_DATA, type TinyImage, writeTinyImage } from './tiny-image.ts';

const folder = tempFolder();
const CLUSTER = 64 * KiB;
const ONE: TinyImage = { l2: [dataEntry(FIRST_DATA)], data: noise(CLUSTER, 1) };
/** Extended L2 entries: two numbers each. */
const SUB: TinyImage = { ...ONE, incompatible: 16n, virtualBytes: CLUSTER };

function open(name: string): Promise<unknown> {
  return withChain(folder.at(name), folder.path(), async () => undefined);
}

async function readEverything(name: string): Promise<void> {
  await withChain(folder.at(name), folder.path(), async ({ layers }) => {
    await readAll(layers.at(-1)!);
    await extentsOf(layers.at(-1)!);
  });
}

/** A change of the header: big-endian number at a byte. */
function set(at: number, value: bigint | number): Pick<TinyImage, 'patch'> {
  return {
    patch: (file) => {
      if (typeof value === 'bigint') file.writeBigUInt64BE(value, at);
      else file.writeUInt32BE(value, at);
      return file;
    },
  };
}

function externalData(dataFile: string): TinyImage {
  return { ...ONE, l2: [COPIED], incompatible: 4n, dataFile };
}

function snapshotAt(offset: number): Pick<TinyImage, 'patch'> {
  return {
    patch: (file) => {
      file.writeUInt32BE(1, 60);
      file.writeBigUInt64BE(BigInt(offset), 64);
      if (offset < FIRST_DATA * CLUSTER) file.fill(0, offset, offset + 40).writeUInt32BE(16, offset + 36);
      return file;
    },
  };
}

function twoTables(file: Buffer): Buffer {
  file.writeUInt32BE(2, 36);
  file.writeBigUInt64BE(dataEntry(4), 3 * CLUSTER + 8);
  return file;
}

describe('openChain refuses', () => {
  const cases: readonly (readonly [what: string, code: string, image: TinyImage])[] = [
    ['a dirty image', 'QCOW2_DIRTY', { ...ONE, incompatible: 1n }],
    ['a corrupt image', 'QCOW2_CORRUPT', { ...ONE, incompatible: 2n }],
    ['an external data file without a name', 'QCOW2_INVALID', { ...ONE, incompatible: 4n }],
    ['an external data file elsewhere', 'IMAGE_OUTSIDE_FOLDER', externalData('/etc/passwd')],
    ['an external data file above', 'IMAGE_OUTSIDE_FOLDER', externalData('../../etc/passwd')],
    ['an external data file that is not there', 'DATA_FILE_MISSING', externalData('nowhere')],
    ['an external data file of a protocol', 'DATA_FILE_NAME_REFUSED', externalData('nbd:host')],
    ['an external data file that is the image', 'CHAIN_LOOP', externalData('refused.qcow2')],
    ['a folder as external data file', 'IMAGE_NOT_REGULAR', externalData('folder')],
    ['raw external data without a file', 'QCOW2_INVALID', { ...ONE, ...set(88, 2n) }],
    ['sub-clusters of 256 bytes', 'QCOW2_INVALID', { ...ONE, clusterBits: 13, incompatible: 16n }],
    ['no refcount table', 'QCOW2_INVALID', { ...ONE, ...set(56, 0) }],
    ['an L1 table in the refcount table', 'QCOW2_OVERLAP', { ...ONE, ...set(40, BigInt(CLUSTER)) }],
    ['a refcount table that reaches over L1', 'QCOW2_OVERLAP', { ...ONE, ...set(56, 3) }],
    ['a snapshot table over L1', 'QCOW2_OVERLAP', { ...ONE, ...snapshotAt(3 * CLUSTER) }],
    ['snapshots beyond the file', 'QCOW2_INVALID', { ...ONE, ...snapshotAt(6 * CLUSTER) }],
    ['a snapshot with endless names', 'QCOW2_INVALID', { ...ONE, ...snapshotAt(5 * CLUSTER) }],
    ['an L2 table that is the L1 table', 'QCOW2_OVERLAP', { ...ONE, ...set(3 * CLUSTER, dataEntry(3)) }],
    ['an L2 table in the refcount table', 'QCOW2_OVERLAP', { ...ONE, ...set(3 * CLUSTER, dataEntry(1)) }],
    ['an L2 table that is a refcount block', 'QCOW2_OVERLAP', { ...ONE, ...set(3 * CLUSTER, dataEntry(2)) }],
    ['two L2 tables at one place', 'QCOW2_OVERLAP', { ...ONE, patch: twoTables }],
    ['a refcount block that is an L2 table', 'QCOW2_OVERLAP', { ...ONE, ...set(CLUSTER, BigInt(4 * CLUSTER)) }],
    ['a refcount block in the header', 'QCOW2_INVALID', { ...ONE, ...set(CLUSTER + 8, 512n) }],
    ['a refcount block outside the file', 'QCOW2_INVALID', { ...ONE, ...set(CLUSTER, BigInt(6 * CLUSTER)) }],
    ['an L2 table outside the file', 'QCOW2_INVALID', { ...ONE, ...set(3 * CLUSTER, COPIED | 0x5000000n) }],
    ['an L2 table that is not aligned', 'QCOW2_INVALID', { ...ONE, ...set(3 * CLUSTER, COPIED | 0x10200n) }],
    ['an L2 table at 0', 'QCOW2_INVALID', { ...ONE, ...set(3 * CLUSTER, COPIED) }],
    ['an unknown feature', 'QCOW2_FEATURE_UNKNOWN', { ...ONE, incompatible: 1n << 40n }],
    ['encryption', 'QCOW2_ENCRYPTED', { ...ONE, ...set(32, 2) }],
    ['version 1', 'QCOW2_VERSION_UNSUPPORTED', { ...ONE, ...set(4, 1) }],
    ['version 4', 'QCOW2_VERSION_UNSUPPORTED', { ...ONE, ...set(4, 4) }],
    ['clusters of 256 bytes', 'QCOW2_INVALID', { ...ONE, ...set(20, 8) }],
    ['clusters of 4 MiB', 'QCOW2_INVALID', { ...ONE, ...set(20, 22) }],
    ['a header length of 96', 'QCOW2_INVALID', { ...ONE, ...set(100, 96) }],
    ['a header longer than a cluster', 'QCOW2_INVALID', { ...ONE, ...set(100, 80 * KiB) }],
    ['refcounts of 128 bits', 'QCOW2_INVALID', { ...ONE, ...set(96, 7) }],
    ['an unknown compression type', 'QCOW2_INVALID', { ...ONE, compression: 2 }],
    ['a compression type without its feature bit', 'QCOW2_INVALID', { ...ONE, compression: 1, incompatible: 0n }],
    ['a compression feature without its type', 'QCOW2_INVALID', { ...ONE, incompatible: 8n }],
    ['a disk size that is no multiple of 512', 'QCOW2_INVALID', { ...ONE, virtualBytes: 1000 }],
    ['a disk size beyond 2^53', 'QCOW2_INVALID', { ...ONE, ...set(24, 1n << 60n) }],
    ['an L1 table that is too short', 'QCOW2_INVALID', { ...ONE, virtualBytes: 512 * 1024 * KiB + 512 }],
    ['an L1 table over the limit', 'QCOW2_TABLE_TOO_LARGE', { ...ONE, ...set(36, 0x7fffffff) }],
    ['an L1 table that is not aligned', 'QCOW2_INVALID', { ...ONE, ...set(40, BigInt(3 * CLUSTER + 512)) }],
    ['an L1 table outside the file', 'QCOW2_INVALID', { ...ONE, ...set(40, BigInt(100 * CLUSTER)) }],
    ['an L1 table beyond 2^53', 'QCOW2_INVALID', { ...ONE, ...set(40, 1n << 62n) }],
    ['a refcount table outside the file', 'QCOW2_INVALID', { ...ONE, ...set(48, BigInt(100 * CLUSTER)) }],
    ['a refcount table over the limit', 'QCOW2_TABLE_TOO_LARGE', { ...ONE, ...set(56, 1 << 20) }],
    ['too many snapshots', 'QCOW2_INVALID', { ...ONE, ...set(60, 1 << 20) }],
    ['an extension that is cut short', 'QCOW2_INVALID', { ...ONE, ...set(104, 0x1234567800ffffffn) }],
    ['a backing name outside the first cluster', 'QCOW2_INVALID', { ...ONE, ...set(8, 0x10001n) }],
    ['a backing name that is too long', 'QCOW2_INVALID', { ...ONE, backing: { name: 'x'.repeat(1024) } }],
    [
      'a backing name that is no text',
      'QCOW2_INVALID',
      { ...ONE, backing: { name: 'x' }, patch: (f) => f.fill(0xff, 128, 129) },
    ],
    ['json: names', 'BACKING_NAME_REFUSED', { ...ONE, backing: { name: 'json:{"driver":"nbd"}', format: 'raw' } }],
    ['nbd: names', 'BACKING_NAME_REFUSED', { ...ONE, backing: { name: 'nbd://host/disk', format: 'raw' } }],
    ['http: names', 'BACKING_NAME_REFUSED', { ...ONE, backing: { name: 'http://host/disk', format: 'raw' } }],
    ['a missing backing file', 'BACKING_MISSING', { ...ONE, backing: { name: 'nowhere.qcow2', format: 'qcow2' } }],
    ['a backing file elsewhere', 'IMAGE_OUTSIDE_FOLDER', { ...ONE, backing: { name: '/etc/passwd', format: 'raw' } }],
    ['a backing file above', 'IMAGE_OUTSIDE_FOLDER', { ...ONE, backing: { name: '../../etc/passwd', format: 'raw' } }],
    ['a link that leads out', 'IMAGE_OUTSIDE_FOLDER', { ...ONE, backing: { name: 'link-out', format: 'raw' } }],
    ['a folder as backing file', 'IMAGE_NOT_REGULAR', { ...ONE, backing: { name: 'folder', format: 'raw' } }],
    ['another backing format', 'IMAGE_FORMAT_UNSUPPORTED', { ...ONE, backing: { name: 'plain', format: 'vmdk' } }],
    ['a backing file of another content', 'IMAGE_FORMAT_UNSUPPORTED', { ...ONE, backing: { name: 'foreign' } }],
    ['a backing file that should be qcow2', 'QCOW2_INVALID', { ...ONE, backing: { name: 'plain', format: 'qcow2' } }],
    ['an image over itself', 'CHAIN_LOOP', { ...ONE, backing: { name: 'refused.qcow2', format: 'qcow2' } }],
    ['an image over another name of itself', 'CHAIN_LOOP', { ...ONE, backing: { name: 'hard-link' } }],
  ];

  test.each(cases)('%s: %s', async (_, code, image) => {
    mkdirSync(folder.at('folder'), { recursive: true });
    writeFileSync(folder.at('plain'), noise(CLUSTER, 2));
    writeFileSync(folder.at('foreign'), 'KDMV and more');
    writeTinyImage(folder.at('refused.qcow2'), image);
    for (const make of [
      () => symlinkSync('/etc/passwd', folder.at('link-out')),
      () => linkSync(folder.at('refused.qcow2'), folder.at('hard-link')),
    ]) {
      try {
        make();
      } catch (error) {
        expect(error).toMatchObject({ code: 'EEXIST' });
      }
    }
    const before = readFileSync(folder.at('refused.qcow2'));
    await expect(open('refused.qcow2')).rejects.toMatchObject({ code, hint: expect.any(String) });
    expect(readFileSync(folder.at('refused.qcow2')).equals(before)).toBe(true);
  });

  test('a missing image, a cut header, a loop of two, a chain that is too deep, a disk that is too large', async () => {
    await expect(open('none.qcow2')).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    const elsewhere = withChain(folder.at('none.qcow2'), folder.at('no-folder'), async () => undefined);
    await expect(elsewhere).rejects.toMatchObject({ code: 'IMAGE_FOLDER_MISSING' });
    writeTinyImage(folder.at('cut.qcow2'), ONE);
    truncateSync(folder.at('cut.qcow2'), 90);
    await expect(open('cut.qcow2')).rejects.toMatchObject({ code: 'QCOW2_INVALID' });
    writeTinyImage(folder.at('ying.qcow2'), { ...ONE, backing: { name: 'yang.qcow2' } });
    writeTinyImage(folder.at('yang.qcow2'), { ...ONE, backing: { name: 'ying.qcow2' } });
    await expect(open('ying.qcow2')).rejects.toMatchObject({ code: 'CHAIN_LOOP' });
    writeTinyImage(folder.at('deep0'), ONE);
    for (let i = 1; i <= limits.chain_layers_max; i++) {
      writeTinyImage(folder.at(`deep${i}`), { ...ONE, backing: { name: `deep${i - 1}`, format: 'qcow2' } });
    }
    await open(`deep${limits.chain_layers_max - 1}`);
    await expect(open(`deep${limits.chain_layers_max}`)).rejects.toMatchObject({ code: 'CHAIN_TOO_DEEP' });
    const l1 = Math.ceil((limits.disk_bytes_max + 512) / (512 * 1024 * KiB));
    writeTinyImage(folder.at('huge.qcow2'), { ...ONE, virtualBytes: limits.disk_bytes_max + 512, patch: grow(l1) });
    await expect(open('huge.qcow2')).rejects.toMatchObject({ code: 'DISK_TOO_LARGE' });
  });
});

/** Moves the L1 table to the end of the file, with room for `entries`. */
function grow(entries: number): (file: Buffer) => Buffer {
  return (file) => {
    file.writeUInt32BE(entries, 36);
    file.writeBigUInt64BE(BigInt(file.length), 40);
    return Buffer.concat([file, Buffer.alloc(Math.ceil((entries * 8) / CLUSTER) * CLUSTER)]);
  };
}

describe('reading refuses', () => {
  const bomb = deflateRawSync(Buffer.alloc(64 * 1024 * KiB));
  const start = FIRST_DATA * CLUSTER;
  const cases: readonly (readonly [what: string, code: string, image: TinyImage])[] = [
    ['data outside the file', 'QCOW2_INVALID', { l2: [dataEntry(FIRST_DATA + 1)], data: noise(CLUSTER, 1) }],
    ['a run that leaves the file', 'QCOW2_INVALID', { ...ONE, l2: [0, 1].map((i) => dataEntry(FIRST_DATA + i)) }],
    ['data far outside the file', 'QCOW2_INVALID', { l2: [COPIED | (0xffffffffffn << 16n)] }],
    ['data that is not aligned', 'QCOW2_INVALID', { ...ONE, l2: [COPIED | BigInt(start - 512)] }],
    ['data in the header', 'QCOW2_INVALID', { ...ONE, l2: [COPIED] }],
    ['reserved bits', 'QCOW2_INVALID', { ...ONE, l2: [dataEntry(FIRST_DATA) | 2n] }],
    ['reserved high bits', 'QCOW2_INVALID', { ...ONE, l2: [dataEntry(FIRST_DATA) | (1n << 57n)] }],
    ['a zero cluster in version 2', 'QCOW2_INVALID', { ...ONE, version: 2, l2: [1n] }],
    ['data in the refcount table', 'QCOW2_OVERLAP', { ...ONE, l2: [dataEntry(1)] }],
    ['data in a refcount block', 'QCOW2_OVERLAP', { ...ONE, l2: [dataEntry(2)] }],
    ['data in the L1 table', 'QCOW2_OVERLAP', { ...ONE, l2: [dataEntry(3)] }],
    ['data in an L2 table', 'QCOW2_OVERLAP', { ...ONE, l2: [dataEntry(4)] }],
    ['a run of data that starts in the L2 table', 'QCOW2_OVERLAP', { ...ONE, l2: [4, 5].map((i) => dataEntry(i)) }],
    ['zeros whose cluster is the L2 table', 'QCOW2_OVERLAP', { ...ONE, l2: [dataEntry(4) | 1n] }],
    ['compressed data in the header', 'QCOW2_OVERLAP', { ...ONE, l2: [compressedEntry(100, 100)] }],
    ['compressed data in the L2 table', 'QCOW2_OVERLAP', { ...ONE, l2: [compressedEntry(start - 100, 200)] }],
    [
      'sub-clusters both zero and allocated',
      'QCOW2_INVALID',
      { ...SUB, l2: [dataEntry(FIRST_DATA), (1n << 32n) | 1n] },
    ],
    ['sub-clusters of no cluster', 'QCOW2_INVALID', { ...SUB, l2: [0n, 1n] }],
    ['sub-clusters and a zero flag', 'QCOW2_INVALID', { ...SUB, l2: [dataEntry(FIRST_DATA) | 1n, 1n] }],
    ['sub-clusters in metadata', 'QCOW2_OVERLAP', { ...SUB, l2: [dataEntry(2), 1n] }],
    ['compressed sub-clusters', 'QCOW2_INVALID', { ...SUB, l2: [compressedEntry(start, 100), 1n] }],
    [
      'external data elsewhere than the guest has them',
      'QCOW2_INVALID',
      { ...externalData('plain'), l2: [0n, COPIED] },
    ],
    ['external data beyond its file', 'QCOW2_INVALID', { ...externalData('plain'), l2: [0n, dataEntry(1)] }],
    ['compressed external data', 'QCOW2_INVALID', { ...externalData('plain'), l2: [compressedEntry(0, 100)] }],
    ['compressed data outside the file', 'QCOW2_INVALID', { l2: [compressedEntry(start + CLUSTER, 100)] }],
    ['compressed data with refcount one', 'QCOW2_INVALID', { ...ONE, l2: [COPIED | compressedEntry(start, 100)] }],
    ['compressed data that is none', 'CLUSTER_CORRUPT', { ...ONE, l2: [compressedEntry(start, 1000)] }],
    ['zstd that is none', 'CLUSTER_CORRUPT', { ...ONE, compression: 1, l2: [compressedEntry(start, 1000)] }],
    ['a compression bomb', 'CLUSTER_CORRUPT', { l2: [compressedEntry(start, bomb.length)], data: bomb }],
    ['a compressed cluster that is too short', 'CLUSTER_CORRUPT', short(deflateRawSync(Buffer.alloc(CLUSTER - 1)))],
    ['a compressed cluster that is cut', 'CLUSTER_CORRUPT', short(deflateRawSync(noise(CLUSTER, 1)).subarray(0, 900))],
  ];

  function short(data: Buffer): TinyImage {
    return { l2: [compressedEntry(start, data.length)], data };
  }

  test.each(cases)('%s: %s', async (_, code, image) => {
    writeFileSync(folder.at('plain'), noise(CLUSTER, 2));
    writeTinyImage(folder.at('bad.qcow2'), image);
    await expect(readEverything('bad.qcow2')).rejects.toMatchObject({ code, hint: expect.any(String) });
  });

  test('ranges beyond the disk', async () => {
    writeTinyImage(folder.at('one.qcow2'), ONE);
    await withChain(folder.at('one.qcow2'), folder.path(), async ({ layers: [layer] }) => {
      const refused = { code: 'DISK_RANGE_INVALID' };
      await expect(layer!.pieces(0, CLUSTER + 1)).rejects.toMatchObject(refused);
      await expect(layer!.pieces(-1, 1)).rejects.toMatchObject(refused);
      await expect(extentsOf(layer!, 0.5, 1)).rejects.toMatchObject(refused);
      expect(await layer!.pieces(CLUSTER, 0)).toEqual([]);
    });
  });
});

describe('a declared format', () => {
  test('raw is raw whatever its content says, for a base and for the top', async () => {
    writeTinyImage(folder.at('inner.qcow2'), ONE);
    const bytes = readFileSync(folder.at('inner.qcow2'));
    writeTinyImage(folder.at('outer.qcow2'), {
      l2: Array.from({ length: bytes.length / CLUSTER }, () => 0n),
      backing: { name: 'inner.qcow2', format: 'raw' },
    });
    await withChain(folder.at('outer.qcow2'), folder.path(), async ({ layers }) => {
      expect(layers.map((layer) => layer.format)).toEqual(['raw', 'qcow2']);
      expect((await readAll(layers[1]!)).equals(bytes)).toBe(true);
    });
  });
});

describe('a writer refuses', () => {
  test('what qcow2 can’t be, and leaves no file', async () => {
    const refused = { code: 'DISK_SHAPE_REFUSED' };
    const shape = { virtualBytes: 1024 * KiB, clusterBytes: CLUSTER, version: 3 } as const;
    const make = (o: object) => createQcow2(folder.at('new.qcow2'), { ...shape, ...o });
    await expect(make({ clusterBytes: 5000 })).rejects.toMatchObject(refused);
    await expect(make({ clusterBytes: 4096 * KiB })).rejects.toMatchObject(refused);
    await expect(make({ virtualBytes: 1000 })).rejects.toMatchObject(refused);
    await expect(make({ virtualBytes: 1e15, clusterBytes: 512 })).rejects.toMatchObject(refused);
    const backing = (name: string) => ({ backing: { name, format: 'raw', chain: undefined as never } });
    await expect(make(backing('nbd:host'))).rejects.toMatchObject({ code: 'BACKING_NAME_REFUSED' });
    await expect(make({ clusterBytes: 512, ...backing('x'.repeat(400)) })).rejects.toMatchObject(refused);
    await (await make({})).discard();
  });

  test('a path that is taken, odd ranges, and calls after the end', async () => {
    const options = { virtualBytes: 2 * CLUSTER + 100 };
    const writer = await createRaw(folder.at('taken.raw'), options);
    await expect(createRaw(folder.at('taken.raw'), options)).rejects.toMatchObject({ code: 'DISK_EXISTS' });
    const refused = { code: 'DISK_RANGE_INVALID' };
    await expect(writer.write(100, Buffer.alloc(512))).rejects.toMatchObject(refused);
    await expect(writer.write(0, Buffer.alloc(100))).rejects.toMatchObject(refused);
    await expect(writer.writeZeros(512, 4 * CLUSTER)).rejects.toMatchObject(refused);
    await writer.write(2 * CLUSTER, Buffer.alloc(100, 1));
    await writer.finish();
    await expect(writer.write(0, Buffer.alloc(512))).rejects.toMatchObject({ code: 'DISK_WRITER_CLOSED' });
  });
});
