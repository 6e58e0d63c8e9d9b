import { decodeTableEntry } from './cluster-entry.ts';
import type { Qcow2Header, TableRange } from './header.ts';
import type { HostFile } from './host-file.ts';
import { invalidImage, overlap } from './invalid.ts';
import { diskLimits } from './limits.ts';
import { snapshotTableBytes } from './snapshots.ts';

const ENTRY_BYTES = 8;

/**
 * Where an image's own tables are. The large ones are a handful of ranges; L2 tables and refcount blocks have a cluster
 * each: a sorted list of their offsets, as long as L1 and refcount table have entries, which their limits bound.
 */
export class MetadataMap {
  readonly #clusterBytes: number;
  readonly #ranges: readonly TableRange[];
  readonly #clusters: Float64Array;

  constructor(clusterBytes: number, ranges: readonly TableRange[], clusters: Float64Array) {
    this.#clusterBytes = clusterBytes;
    this.#ranges = ranges;
    this.#clusters = clusters;
  }

  /** Whether any of the host bytes [start, end) is metadata. */
  holds(start: number, end: number): boolean {
    for (const { offset, bytes } of this.#ranges) if (start < offset + bytes && offset < end) return true;
    const next = this.#firstEndingAfter(start);
    return next < this.#clusters.length && this.#clusters[next]! < end;
  }

  #firstEndingAfter(start: number): number {
    let low = 0;
    for (let high = this.#clusters.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (this.#clusters[middle]! + this.#clusterBytes > start) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/**
 * Reads L1 and refcount table and finds where all tables are. Refuses entries that can't be (QCOW2_INVALID) and tables
 * that overlap (QCOW2_OVERLAP): that is what corrupted or hostile images have, and QEMU never makes.
 */
export async function readMetadata(file: HostFile, fileBytes: number, header: Qcow2Header): Promise<MetadataMap> {
  const { path } = file;
  const { l1, refcountTable, snapshots } = header;
  const clusterBytes = 2 ** header.clusterBits;
  const snapshotTable = {
    offset: snapshots.offset,
    bytes: await snapshotTableBytes(file, fileBytes, snapshots, header.version),
  };
  const ranges = [{ offset: 0, bytes: clusterBytes }, l1, refcountTable, snapshotTable].filter(
    ({ bytes }) => bytes > 0,
  );
  for (const [i, range] of ranges.entries()) {
    const above = new MetadataMap(clusterBytes, ranges.slice(0, i), new Float64Array());
    if (above.holds(range.offset, range.offset + range.bytes)) throw overlap(path, 'two of its tables overlap');
  }
  const tables: number[] = [];
  const place = { path, fileBytes, clusterBytes };
  await eachEntry(file, l1, (hi, lo) => {
    tables.push(decodeTableEntry(place, 'L1', hi, lo));
  });
  await eachEntry(file, refcountTable, (hi, lo) => {
    tables.push(decodeTableEntry(place, 'refcount table', hi, lo));
  });
  const clusters = Float64Array.from(tables).sort();
  checkApart(path, new MetadataMap(clusterBytes, ranges, new Float64Array()), clusters, clusterBytes);
  return new MetadataMap(clusterBytes, ranges, clusters);
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
