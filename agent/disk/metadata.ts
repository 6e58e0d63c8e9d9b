import { readBitmaps } from './bitmaps.ts';
import { decodeTableEntry, type TableKind, type TablePlace } from './cluster-entry.ts';
import type { Qcow2Header, TableRange } from './header.ts';
import type { HostFile } from './host-file.ts';
import { invalidImage, overlap } from './invalid.ts';
import { diskLimits } from './limits.ts';
import { firstAbove, MetadataMap } from './metadata-map.ts';
import { readSnapshots } from './snapshots.ts';

const ENTRY_BYTES = 8;

/**
 * Reads all tables that name others and finds where the image's metadata are. Refuses entries that can't be
 * (QCOW2_INVALID) and tables that overlap (QCOW2_OVERLAP): that is what damaged or hostile images have, and QEMU never
 * makes. Of the tables that only snapshots and bitmaps need, `diskLimits.inactive_tables_bytes_max` are read.
 */
export async function readMetadata(file: HostFile, fileBytes: number, header: Qcow2Header): Promise<MetadataMap> {
  const { path } = file;
  const clusterBytes = 2 ** header.clusterBits;
  const place = { path, fileBytes, clusterBytes };
  const snapshots = await readSnapshots(file, place, header);
  const bitmaps = await readBitmaps(file, place, header);
  const headerRange = { offset: 0, bytes: clusterBytes };
  const ranges = [headerRange, header.l1, header.refcountTable, ...snapshots.ranges, ...bitmaps.ranges]
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => a.offset - b.offset);
  checkDisjoint(path, ranges);
  const named = new NamedClusters(file, place);
  const l2 = await named.by(header.l1, 'L1');
  const blocks = await named.by(header.refcountTable, 'refcount table');
  const inactiveL2 = await named.byInactive(snapshots.l1, 'L1');
  const bits = await named.byInactive(bitmaps.tables, 'bitmap table');
  const own = joined([l2, blocks, bits, withoutShared(inactiveL2, l2)]);
  checkApart(path, new MetadataMap(clusterBytes, ranges, new Float64Array()), own, clusterBytes);
  return new MetadataMap(clusterBytes, ranges, own);
}

/** Reads which clusters tables name: their host offsets, ascending. */
class NamedClusters {
  readonly #file: HostFile;
  readonly #place: TablePlace;
  #inactiveBytesLeft: number = diskLimits.inactive_tables_bytes_max;

  constructor(file: HostFile, place: TablePlace) {
    this.#file = file;
    this.#place = place;
  }

  async by(table: TableRange, kind: TableKind): Promise<Float64Array> {
    const offsets: number[] = [];
    await eachEntry(this.#file, table, (hi, lo) => {
      const offset = decodeTableEntry(this.#place, kind, hi, lo);
      if (offset !== undefined) offsets.push(offset);
    });
    return Float64Array.from(offsets).sort();
  }

  /** The same of many tables that the active state does not need, as far as the bound allows. */
  async byInactive(tables: readonly TableRange[], kind: TableKind): Promise<Float64Array> {
    const named: Float64Array[] = [];
    for (const table of tables) {
      if (table.bytes > this.#inactiveBytesLeft) break;
      this.#inactiveBytesLeft -= table.bytes;
      named.push(await this.by(table, kind));
    }
    return joined(named);
  }
}

function joined(lists: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(lists.reduce((count, list) => count + list.length, 0));
  let end = 0;
  for (const list of lists) {
    all.set(list, end);
    end += list.length;
  }
  return all.sort();
}

/** Snapshots share the tables that have not changed since, with each other and with the active state. */
function withoutShared(inactive: Float64Array, active: Float64Array): Float64Array {
  return inactive.filter((offset, i) => {
    const isActive = active[firstAbove(active, offset - 1)] === offset;
    return !isActive && inactive[i - 1] !== offset;
  });
}

function checkDisjoint(path: string, ranges: readonly TableRange[]): void {
  for (const [i, { offset }] of ranges.entries()) {
    const before = ranges[i - 1];
    if (before !== undefined && before.offset + before.bytes > offset) throw overlap(path, 'two of its tables overlap');
  }
}

function checkApart(path: string, large: MetadataMap, clusters: Float64Array, clusterBytes: number): void {
  for (let i = 0; i < clusters.length; i++) {
    const offset = clusters[i]!;
    if (i > 0 && clusters[i - 1] === offset) throw overlap(path, `two of its tables are at byte ${offset}`);
    if (large.holds(offset, offset + clusterBytes))
      throw overlap(path, `a table at byte ${offset} lies in another one`);
  }
}

/** Calls `visit` with the halves of each entry of a table that is not zero. */
async function eachEntry(file: HostFile, table: TableRange, visit: (hi: number, lo: number) => void): Promise<void> {
  const bytes = new Uint8Array(Math.min(table.bytes, diskLimits.table_scan_bytes));
  for (let done = 0; done < table.bytes; done += bytes.length) {
    const part = bytes.subarray(0, table.bytes - done);
    if ((await file.read(part, table.offset + done)) < part.length)
      throw invalidImage(file.path, 'a table is cut short');
    const view = new DataView(part.buffer, part.byteOffset, part.length);
    for (let at = 0; at < part.length; at += ENTRY_BYTES) {
      const hi = view.getUint32(at);
      const lo = view.getUint32(at + 4);
      if (hi !== 0 || lo !== 0) visit(hi, lo);
    }
  }
}
