import { type Layout, layoutOf, type Table } from './layout.ts';
import type { Original } from './originals.ts';
import type { Random } from './random.ts';

/** Header fields with a number each: where, and how many bytes. */
const FIELDS: readonly (readonly [at: number, bytes: 4 | 8])[] = [
  ...([4, 16, 20, 32, 36, 56, 60, 96, 100, 104] as const).map((at) => [at, 4] as const),
  ...([8, 24, 40, 48, 64, 72, 80, 88] as const).map((at) => [at, 8] as const),
];

/** What other formats begin with, and where: a raw file must not be taken for one, nor one for a raw file. */
const MAGICS: readonly (readonly [at: number, magic: string])[] = [
  [0, 'QFI\xfb\0\0\0\x03'],
  [0, 'QFI\xfb\0\0\0\x01'],
  [0, 'KDMV'],
  [0, '# Disk DescriptorFile\nversion=1\n'],
  [0, 'version=1\n'],
  [0, 'vhdxfile'],
  [0, 'conectix'],
  [64, '\x7f\x10\xda\xbe'],
  [0, 'QED\0'],
  [0, 'LUKS\xba\xbe\0\x01'],
  [0, 'WithoutFreeSpace'],
  [0, 'Bochs Virtual HD Image\0'],
  [0, '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n'],
];

type Change<T> = (file: Buffer, about: T, random: Random) => Buffer;

const headerField: Change<Layout> = (file, layout, random) => {
  const [at, bytes] = random.pick(FIELDS);
  return changeNumber(file, at, bytes, layout, random);
};

const headerByte: Change<Layout> = (file, { headerBytes }, random) => {
  file[random.below(Math.min(headerBytes + 16, file.length))] = random.below(256);
  return file;
};

/** The type, the length or the content of an extension. */
const extension: Change<Layout> = (file, layout, random) => {
  return changeNumber(file, random.pick(layout.extensions) + 4 * random.below(8), 4, layout, random);
};

/** An entry of one of the tables: a disk's beginning is where its tables have most to say. */
const entryOf =
  (tables: (layout: Layout) => readonly Table[]): Change<Layout> =>
  (file, layout, random) => {
    const choice = tables(layout);
    if (choice.length === 0) return headerField(file, layout, random);
    const { at, bytes } = random.pick(choice);
    return changeNumber(file, at + 8 * random.below(Math.min(bytes / 8, 256)), 8, layout, random);
  };

const partOfEntry =
  (tables: (layout: Layout) => readonly Table[]): Change<Layout> =>
  (file, layout, random) => {
    const choice = tables(layout);
    if (choice.length === 0) return headerByte(file, layout, random);
    const { at, bytes } = random.pick(choice);
    return changeNumber(file, at + 2 * random.below(Math.min(bytes / 2, 128)), 4, layout, random);
  };

const subclusters: Change<Layout> = (file, layout, random) => {
  if (!layout.subclusters || layout.l2.length === 0) return l2Entry(file, layout, random);
  return changeNumber(file, random.pick(layout.l2).at + 16 * random.below(64) + 8, 8, layout, random);
};

/** One entry over another: two clusters or tables at one place. */
const copyEntry: Change<Layout> = (file, { l1, refcountTable, l2, snapshots, bitmaps }, random) => {
  const tables = [l1, refcountTable, ...l2, ...snapshots, ...bitmaps];
  const place = () => random.pick(tables).at + 8 * random.below(8);
  const [from, to] = [place(), place()];
  if (Math.max(from, to) + 8 <= file.length) file.copy(file, to, from, from + 8);
  return file;
};

const splice: Change<Layout> = (file, { clusters, clusterBytes }, random) => {
  const cluster = () => random.below(clusters) * clusterBytes;
  const [from, to] = [cluster(), cluster()];
  if (Math.max(from, to) < file.length) file.copy(file, to, from, from + clusterBytes);
  return file;
};

const flipBits: Change<unknown> = (file, _, random) => {
  for (let i = random.below(16); i >= 0 && file.length > 0; i--) {
    const at = random.below(file.length);
    file[at] = file[at]! ^ (1 << random.below(8));
  }
  return file;
};

const truncate: Change<unknown> = (file, _, random) => {
  return file.subarray(
    0,
    random.below(2) === 0 ? random.below(file.length + 1) : 512 * random.below(file.length / 512),
  );
};

const extend: Change<unknown> = (file, _, random) => Buffer.concat([file, Buffer.alloc(random.below(200_000))]);

const magic: Change<unknown> = (file, _, random) => {
  const [at, text] = random.pick(MAGICS);
  file.write(text, at, 'latin1');
  return file;
};

const l2Entry = entryOf(({ l2 }) => l2);
const ENTRIES = [
  entryOf(({ l1 }) => [l1]),
  l2Entry,
  l2Entry,
  entryOf(({ refcountTable, refcountBlock }) => [refcountTable, refcountBlock]),
  entryOf(({ snapshots }) => snapshots),
  partOfEntry(({ snapshots }) => snapshots.slice(0, 1)),
  entryOf(({ bitmaps }) => bitmaps),
  partOfEntry(({ bitmaps }) => bitmaps.slice(0, 1)),
];
const ANYWHERE = [flipBits, truncate, extend];
const OF_QCOW2 = [
  headerField,
  headerField,
  headerByte,
  extension,
  ...ENTRIES,
  subclusters,
  copyEntry,
  splice,
  ...ANYWHERE,
];
const OF_RAW = [magic, ...ANYWHERE];

/** A copy of an original's target with one to three changes. */
export function mutate({ bytes, format }: Original, random: Random): Buffer {
  let file: Buffer = Buffer.from(bytes);
  const layout = format === 'qcow2' ? layoutOf(bytes) : undefined;
  for (let i = random.below(3); i >= 0; i--) {
    if (file.length < Math.min(4096, bytes.length)) break;
    file =
      layout === undefined ? random.pick(OF_RAW)(file, undefined, random) : random.pick(OF_QCOW2)(file, layout, random);
  }
  return file;
}

function changeNumber(file: Buffer, at: number, bytes: 4 | 8, layout: Layout, random: Random): Buffer {
  if (at + bytes > file.length) return file;
  if (bytes === 8) file.writeBigUInt64BE(another(file.readBigUInt64BE(at), layout, random), at);
  else file.writeUInt32BE(Number(BigInt.asUintN(32, another(BigInt(file.readUInt32BE(at)), layout, random))), at);
  return file;
}

/** Another number for one that was `old`: near it, a place in the file, a bit changed or some cleared, extreme, or anything. */
function another(old: bigint, layout: Layout, random: Random): bigint {
  const cluster = () => BigInt(random.below(layout.clusters + 2) * layout.clusterBytes);
  const copied = 1n << 63n;
  const any = () => (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));
  const choices: readonly (() => bigint)[] = [
    () => old + BigInt(random.below(5) - 2),
    () => old ^ (1n << BigInt(random.below(64))),
    () => old & any(),
    cluster,
    () => cluster() | copied,
    () => cluster() | copied | BigInt(random.below(2)),
    () => BigInt(random.below(64)),
    () => 1n << BigInt(random.below(64)),
    () => random.pick([0n, 1n, copied, 2n ** 64n - 1n, 2n ** 63n - 1n, 2n ** 32n - 1n, 2n ** 31n]),
    any,
  ];
  return BigInt.asUintN(64, random.pick(choices)());
}
