import type { Original } from './originals.ts';
import type { Random } from './random.ts';

/** Where an original's tables are, by its own header. */
interface Tables {
  readonly clusterBytes: number;
  readonly clusters: number;
  readonly l1: { readonly at: number; readonly entries: number };
  readonly l2: readonly number[];
  readonly l2EntryBytes: 8 | 16;
  readonly refcountTable: number;
  readonly refcountBlock: number;
  readonly snapshots: number;
}

function tablesOf(file: Buffer): Tables {
  const clusterBytes = 2 ** file.readUInt32BE(20);
  const l1 = { at: Number(file.readBigUInt64BE(40)), entries: file.readUInt32BE(36) };
  const offsets = Array.from({ length: l1.entries }, (_, i) => offsetIn(file.readBigUInt64BE(l1.at + 8 * i)));
  const refcountTable = Number(file.readBigUInt64BE(48));
  return {
    clusterBytes,
    clusters: Math.ceil(file.length / clusterBytes),
    l1,
    l2: offsets.filter((offset) => offset > 0),
    l2EntryBytes: file.readUInt32BE(4) === 3 && (file.readBigUInt64BE(72) & 16n) !== 0n ? 16 : 8,
    refcountTable,
    refcountBlock: offsetIn(file.readBigUInt64BE(refcountTable)),
    snapshots: Number(file.readBigUInt64BE(64)),
  };
}

function offsetIn(entry: bigint): number {
  return Number(entry & 0x00fffffffffffe00n);
}

/** Header fields with a number each: where, and how many bytes. */
const FIELDS: readonly (readonly [at: number, bytes: 4 | 8])[] = [
  ...([4, 16, 20, 32, 36, 56, 60, 96, 100, 104, 112, 116] as const).map((at) => [at, 4] as const),
  ...([8, 24, 40, 48, 64, 72, 80, 88] as const).map((at) => [at, 8] as const),
];

type Mutation = (file: Buffer, tables: Tables, random: Random) => Buffer;

const header: Mutation = (file, tables, random) => {
  const [at, bytes] = random.pick(FIELDS);
  if (bytes === 8) file.writeBigUInt64BE(number(file.readBigUInt64BE(at), tables, random), at);
  else file.writeUInt32BE(Number(BigInt.asUintN(32, number(BigInt(file.readUInt32BE(at)), tables, random))), at);
  return file;
};

const headerByte: Mutation = (file, _, random) => {
  file[random.below(Math.min(512, file.length))] = random.below(256);
  return file;
};

const l1Entry: Mutation = (file, tables, random) => {
  return changeEntry(file, tables.l1.at + 8 * random.below(tables.l1.entries), tables, random);
};

const l2Entry: Mutation = (file, tables, random) => {
  if (tables.l2.length === 0) return file;
  const entries = Math.min(tables.clusterBytes / tables.l2EntryBytes, 256);
  return changeEntry(file, random.pick(tables.l2) + tables.l2EntryBytes * random.below(entries), tables, random);
};

const subclusters: Mutation = (file, tables, random) => {
  if (tables.l2EntryBytes === 8 || tables.l2.length === 0) return l2Entry(file, tables, random);
  return changeEntry(file, random.pick(tables.l2) + 16 * random.below(64) + 8, tables, random);
};

/** One entry over another: two clusters or tables at one place. */
const copyEntry: Mutation = (file, tables, random) => {
  const starts = [tables.l1.at, tables.refcountTable, ...tables.l2];
  const place = () => random.pick(starts) + 8 * random.below(8);
  const [from, to] = [place(), place()];
  if (Math.max(from, to) + 8 <= file.length) file.copy(file, to, from, from + 8);
  return file;
};

const refcounts: Mutation = (file, tables, random) => {
  return changeEntry(
    file,
    random.pick([tables.refcountTable, tables.refcountBlock]) + 8 * random.below(4),
    tables,
    random,
  );
};

const snapshot: Mutation = (file, tables, random) => {
  if (tables.snapshots === 0) return header(file, tables, random);
  return changeEntry(file, tables.snapshots + random.below(64), tables, random);
};

const flipBits: Mutation = (file, _, random) => {
  for (let i = random.below(16); i >= 0; i--) {
    const at = random.below(file.length);
    file[at] = file[at]! ^ (1 << random.below(8));
  }
  return file;
};

const truncate: Mutation = (file, tables, random) => {
  const at = random.below(2) === 0 ? random.below(file.length) : random.below(tables.clusters) * tables.clusterBytes;
  return file.subarray(0, at);
};

const splice: Mutation = (file, tables, random) => {
  const cluster = () => random.below(tables.clusters) * tables.clusterBytes;
  const from = cluster();
  file.copy(file, cluster(), from, from + tables.clusterBytes);
  return file;
};

const MUTATIONS = [header, header, headerByte, l1Entry, l2Entry, l2Entry, subclusters, copyEntry, refcounts, snapshot];
const ANYWHERE = [flipBits, truncate, splice];

/** A copy of `original` with one to three changes. */
export function mutate(original: Original, random: Random): Buffer {
  const tables = tablesOf(original.bytes);
  let file: Buffer = Buffer.from(original.bytes);
  // Where a compressed payload is changed, decoders may differ rightly; with tables alone that hardly happens.
  const choice = original.compressed ? MUTATIONS : [...MUTATIONS, ...ANYWHERE];
  for (let i = random.below(3); i >= 0; i--) {
    if (file.length < 4096 || file.length < original.bytes.length) break;
    file = random.pick(choice)(file, tables, random);
  }
  return file;
}

function changeEntry(file: Buffer, at: number, tables: Tables, random: Random): Buffer {
  if (at + 8 <= file.length) file.writeBigUInt64BE(number(file.readBigUInt64BE(at), tables, random), at);
  return file;
}

/** Another number for one that was `old`: near it, a place in the file, a bit changed or some cleared, extreme, or anything. */
function number(old: bigint, tables: Tables, random: Random): bigint {
  const cluster = () => BigInt(random.below(tables.clusters + 2) * tables.clusterBytes);
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
