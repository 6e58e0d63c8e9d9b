/** Where a sound image has its structures, by its own header: what a mutation can aim at. */
export interface Layout {
  readonly clusterBytes: number;
  readonly clusters: number;
  /** Bytes of the header that are in use: fields, extensions, the backing name. */
  readonly headerBytes: number;
  /** Starts of the header extensions, the end mark among them. */
  readonly extensions: readonly number[];
  readonly l1: Table;
  readonly l2: readonly Table[];
  readonly subclusters: boolean;
  readonly refcountTable: Table;
  readonly refcountBlock: Table;
  /** The table of snapshots, then the tables that they name. */
  readonly snapshots: readonly Table[];
  /** The directory of bitmaps, then their tables. */
  readonly bitmaps: readonly Table[];
}

export interface Table {
  readonly at: number;
  readonly bytes: number;
}

const BITMAPS_EXTENSION = 0x23852875;
const SNAPSHOT_BYTES = 40;

export function layoutOf(file: Buffer): Layout {
  const clusterBytes = 2 ** file.readUInt32BE(20);
  const l1 = { at: number(file, 40), bytes: 8 * file.readUInt32BE(36) };
  const refcountTable = { at: number(file, 48), bytes: clusterBytes * file.readUInt32BE(56) };
  const extensions = extensionsOf(file, clusterBytes);
  const nameEnd = number(file, 8) + file.readUInt32BE(16);
  return {
    clusterBytes,
    clusters: Math.ceil(file.length / clusterBytes),
    headerBytes: Math.max(nameEnd, extensions.at(-1)! + 8),
    extensions,
    l1,
    l2: namedBy(file, l1, clusterBytes),
    subclusters: file.readUInt32BE(4) === 3 && (number(file, 72) & 16) !== 0,
    refcountTable,
    refcountBlock: namedBy(file, refcountTable, clusterBytes)[0]!,
    snapshots: snapshotsOf(file, clusterBytes),
    bitmaps: bitmapsOf(file, extensions),
  };
}

function number(file: Buffer, at: number): number {
  return Number(file.readBigUInt64BE(at));
}

/** The tables, of a cluster each, that the entries of a table name. */
function namedBy(file: Buffer, table: Table, clusterBytes: number): Table[] {
  const entries = Array.from({ length: table.bytes / 8 }, (_, i) => file.readBigUInt64BE(table.at + 8 * i));
  const offsets = entries.map((entry) => Number(entry & 0x00fffffffffffe00n));
  return offsets.filter((at) => at > 0).map((at) => ({ at, bytes: clusterBytes }));
}

function extensionsOf(file: Buffer, clusterBytes: number): number[] {
  const starts: number[] = [];
  for (let at = file.readUInt32BE(4) === 3 ? file.readUInt32BE(100) : 72; at + 8 <= clusterBytes; ) {
    starts.push(at);
    if (file.readUInt32BE(at) === 0) break;
    at += 8 + Math.ceil(file.readUInt32BE(at + 4) / 8) * 8;
  }
  return starts;
}

function snapshotsOf(file: Buffer, clusterBytes: number): Table[] {
  const start = number(file, 64);
  const tables: Table[] = [];
  let at = start;
  for (let i = file.readUInt32BE(60); i > 0; i--) {
    const l1 = { at: number(file, at), bytes: 8 * file.readUInt32BE(at + 8) };
    tables.push(l1, ...namedBy(file, l1, clusterBytes));
    const names = file.readUInt16BE(at + 12) + file.readUInt16BE(at + 14);
    at += Math.ceil((SNAPSHOT_BYTES + file.readUInt32BE(at + 36) + names) / 8) * 8;
  }
  return at === start ? [] : [{ at: start, bytes: at - start }, ...tables];
}

function bitmapsOf(file: Buffer, extensions: readonly number[]): Table[] {
  const at = extensions.find((extension) => file.readUInt32BE(extension) === BITMAPS_EXTENSION);
  if (at === undefined) return [];
  const directory = { at: number(file, at + 24), bytes: number(file, at + 16) };
  const first = { at: number(file, directory.at), bytes: 8 * file.readUInt32BE(directory.at + 8) };
  return [directory, first];
}
