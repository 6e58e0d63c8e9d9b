import { decodeL1, decodeL2, type ImageShape, runOfEntries } from './cluster-entry.ts';
import type { Qcow2Header } from './header.ts';
import type { HostFile } from './host-file.ts';
import type { Image } from './image.ts';
import { append, type Mapping } from './mapping.ts';
import { TablePages } from './table-pages.ts';

const ENTRY_BYTES = 8;

/** A qcow2 file opened for reading: the active state, whatever snapshots it has. */
export class Qcow2Image implements Image {
  readonly format = 'qcow2';
  readonly file: HostFile;
  readonly virtualBytes: number;
  readonly clusterBytes: number;
  readonly qcow2: { readonly version: 2 | 3; readonly compression: Qcow2Header['compression'] };
  readonly #shape: ImageShape;
  readonly #l1Offset: number;
  readonly #pages: TablePages;

  constructor(file: HostFile, fileBytes: number, header: Qcow2Header) {
    const { version, compression, clusterBits } = header;
    this.file = file;
    this.virtualBytes = header.virtualBytes;
    this.clusterBytes = 2 ** clusterBits;
    this.qcow2 = { version, compression };
    this.#l1Offset = header.l1Offset;
    this.#pages = new TablePages(file, this.clusterBytes);
    this.#shape = {
      ...{ path: file.path, fd: file.fd, fileBytes },
      ...{ version, compression, clusterBits, clusterBytes: this.clusterBytes },
    };
  }

  /** A batch is what one page of a table says: guest ranges that have no L2 table are passed over at once. */
  async *map(offset: number, length: number): AsyncGenerator<readonly Mapping[]> {
    const end = offset + length;
    const entriesPerTable = this.clusterBytes / ENTRY_BYTES;
    const bytesPerTable = this.clusterBytes * entriesPerTable;
    for (let at = offset; at < end; ) {
      const { table, next } = await this.#tableAt(at, end, bytesPerTable);
      if (table === 0) {
        yield [{ at, length: next - at, kind: 'absent' }];
        at = next;
      }
      while (at < next) {
        const batch = await this.#clustersAt(table, at, next, entriesPerTable);
        yield batch;
        const last = batch[batch.length - 1]!;
        at = last.at + last.length;
      }
    }
  }

  /** The L2 table of guest byte `at`, and up to where it serves; table 0 up to where one L1 page says there is none. */
  async #tableAt(at: number, end: number, bytesPerTable: number): Promise<{ table: number; next: number }> {
    const first = Math.floor(at / bytesPerTable);
    const { page, byte } = await this.#pages.entry(this.#l1Offset, first);
    const table = this.#l1(page.view, byte);
    let after = first + 1;
    if (table === 0) {
      const beyond = Math.min(Math.ceil(end / bytesPerTable), first + (page.view.byteLength - byte) / ENTRY_BYTES);
      while (after < beyond && this.#l1(page.view, byte + (after - first) * ENTRY_BYTES) === 0) after++;
    }
    return { table, next: Math.min(end, after * bytesPerTable) };
  }

  #l1(view: DataView, byte: number): number {
    return decodeL1(this.#shape, view.getUint32(byte), view.getUint32(byte + 4));
  }

  /** What the page of `table` with the entry of guest byte `at` says, up to `end` at most. */
  async #clustersAt(table: number, at: number, end: number, entriesPerTable: number): Promise<readonly Mapping[]> {
    const { clusterBytes } = this;
    const first = Math.floor(at / clusterBytes);
    const { page, byte } = await this.#pages.entry(table, first % entriesPerTable);
    const batch: Mapping[] = [];
    for (let i = byte, from = at; i < page.view.byteLength && from < end; ) {
      const clusters = runOfEntries(this.#shape, page.view, i, Math.ceil((end - from) / clusterBytes));
      const to = Math.min(end, from - (from % clusterBytes) + clusters * clusterBytes);
      append(batch, decodeL2(this.#shape, page.view.getUint32(i), page.view.getUint32(i + 4), from, to - from));
      i += clusters * ENTRY_BYTES;
      from = to;
    }
    return batch;
  }
}
