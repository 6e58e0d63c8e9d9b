import { COPIED, hostOffset, READS_ZERO } from './cluster-entry.ts';
import type { HostFile } from './host-file.ts';
import { TablePages } from './table-pages.ts';

const ENTRY_BYTES = 8;
const TWO_32 = 2 ** 32;

/** The L2 entries of `count` clusters from `first` on, within one page. */
export interface Entries {
  readonly first: number;
  readonly count: number;
  /** Host offset of cluster `first + i`, 0 if it has none; `zero` if it reads as zeros whatever it has. */
  get(i: number): { host: number; zero: boolean };
  set(i: number, host: number, zero: boolean): void;
}

/**
 * The guest-to-host map of an image being written, and the end of its file: clusters are only ever appended, so a
 * new one is a hole that reads as zeros. L1 and L2 tables are pages of a bounded cache.
 */
export class ClusterTable {
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly #clusterBytes: number;
  readonly #pages: TablePages;
  #end: number;

  /** A map of an image whose first cluster is its header and whose next ones are the L1 table. */
  constructor(file: HostFile, virtualBytes: number, clusterBytes: number) {
    this.#clusterBytes = clusterBytes;
    this.#pages = new TablePages(file, clusterBytes);
    this.l1Offset = clusterBytes;
    // QEMU wants an entry even for a disk of no bytes.
    this.l1Entries = Math.max(1, l1EntriesFor(virtualBytes, clusterBytes));
    this.#end = clusterBytes + Math.ceil((this.l1Entries * ENTRY_BYTES) / clusterBytes) * clusterBytes;
  }

  /** Clusters of the file so far. */
  get clusters(): number {
    return this.#end / this.#clusterBytes;
  }

  /** Host offset of `count` new clusters of zeros at the end of the file. */
  allocate(count = 1): number {
    const host = this.#end;
    this.#end += count * this.#clusterBytes;
    return host;
  }

  /** The entries of up to `count` clusters from `first` on; their L2 table is made if there is none. */
  async entries(first: number, count: number): Promise<Entries> {
    const entriesPerTable = this.#clusterBytes / ENTRY_BYTES;
    const table = await this.#table(Math.floor(first / entriesPerTable));
    const { page, byte } = await this.#pages.entry(table, first % entriesPerTable);
    const { view } = page;
    return {
      first,
      count: Math.min(count, (view.byteLength - byte) / ENTRY_BYTES),
      get(i) {
        const lo = view.getUint32(byte + i * ENTRY_BYTES + 4);
        return { host: hostOffset(view.getUint32(byte + i * ENTRY_BYTES), lo), zero: (lo & READS_ZERO) !== 0 };
      },
      set(i, host, zero) {
        writeEntry(view, byte + i * ENTRY_BYTES, host, zero);
        page.dirty = true;
      },
    };
  }

  /** Writes all tables that are not yet in the file. */
  flush(): Promise<void> {
    return this.#pages.flush();
  }

  async #table(l1Index: number): Promise<number> {
    const { page, byte } = await this.#pages.entry(this.l1Offset, l1Index);
    const known = hostOffset(page.view.getUint32(byte), page.view.getUint32(byte + 4));
    if (known !== 0) return known;
    const table = this.allocate();
    writeEntry(page.view, byte, table, false);
    page.dirty = true;
    return table;
  }
}

/** L1 entries that a disk needs: each names a table of one cluster. */
export function l1EntriesFor(virtualBytes: number, clusterBytes: number): number {
  return Math.ceil(virtualBytes / (clusterBytes * (clusterBytes / ENTRY_BYTES)));
}

/** Clusters in use have refcount one here, which bit 63 says. */
function writeEntry(view: DataView, byte: number, host: number, zero: boolean): void {
  const copied = host === 0 ? 0 : COPIED;
  view.setUint32(byte, (Math.floor(host / TWO_32) | copied) >>> 0);
  view.setUint32(byte + 4, ((host % TWO_32) | (zero ? READS_ZERO : 0)) >>> 0);
}
