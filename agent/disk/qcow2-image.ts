import { decodeL2, hostOffset, type ImageShape, runOfEntries } from './cluster-entry.ts';
import type { Qcow2Header } from './header.ts';
import type { HostFile } from './host-file.ts';
import type { Image } from './image.ts';
import { append, type Mapping } from './mapping.ts';
import { readMetadata } from './metadata.ts';
import { decodeExtended } from './subclusters.ts';
import { TablePages } from './table-pages.ts';

const ENTRY_BYTES = 8;
const EXTENDED_ENTRY_BYTES = 16;

/** A qcow2 file opened for reading: the active state, whatever snapshots it has. */
export class Qcow2Image implements Image {
  readonly format = 'qcow2';
  readonly file: HostFile;
  readonly paths: readonly string[];
  readonly virtualBytes: number;
  readonly clusterBytes: number;
  readonly qcow2: { readonly version: 2 | 3; readonly compression: Qcow2Header['compression'] };
  readonly #shape: ImageShape;
  readonly #l1Offset: number;
  readonly #entryBytes: number;
  readonly #pages: TablePages;

  /** Opens `file` with the clusters in `data`. Errors: those of readMetadata. */
  static async open(
    file: HostFile,
    fileBytes: number,
    header: Qcow2Header,
    data: ImageShape['data'],
  ): Promise<Qcow2Image> {
    const { version, compression, clusterBits } = header;
    const metadata = await readMetadata(file, fileBytes, header);
    const clusterBytes = 2 ** clusterBits;
    const shape = { path: file.path, version, compression, clusterBits, clusterBytes, metadata, data };
    return new Qcow2Image(file, header, shape);
  }

  private constructor(file: HostFile, header: Qcow2Header, shape: ImageShape) {
    const { version, compression } = header;
    this.file = file;
    this.paths = shape.data.external ? [file.path, shape.data.path] : [file.path];
    this.virtualBytes = header.virtualBytes;
    this.clusterBytes = shape.clusterBytes;
    this.qcow2 = { version, compression };
    this.#l1Offset = header.l1.offset;
    this.#entryBytes = header.extendedL2 ? EXTENDED_ENTRY_BYTES : ENTRY_BYTES;
    this.#pages = new TablePages(file, this.clusterBytes);
    this.#shape = shape;
  }

  /** A batch is what one page of a table says: guest ranges that have no L2 table are passed over at once. */
  async *map(offset: number, length: number): AsyncGenerator<readonly Mapping[]> {
    const end = offset + length;
    const entriesPerTable = this.clusterBytes / this.#entryBytes;
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
    const table = l2TableAt(page.view, byte);
    let after = first + 1;
    if (table === 0) {
      const beyond = Math.min(Math.ceil(end / bytesPerTable), first + (page.view.byteLength - byte) / ENTRY_BYTES);
      while (after < beyond && l2TableAt(page.view, byte + (after - first) * ENTRY_BYTES) === 0) after++;
    }
    return { table, next: Math.min(end, after * bytesPerTable) };
  }

  /** What the page of `table` with the entry of guest byte `at` says, up to `end` at most. */
  async #clustersAt(table: number, at: number, end: number, entriesPerTable: number): Promise<readonly Mapping[]> {
    const entry = (Math.floor(at / this.clusterBytes) % entriesPerTable) * (this.#entryBytes / ENTRY_BYTES);
    const { page, byte } = await this.#pages.entry(table, entry);
    return this.#entryBytes === ENTRY_BYTES
      ? this.#runs(page.view, byte, at, end)
      : this.#extended(page.view, byte, at, end);
  }

  #runs(view: DataView, byte: number, at: number, end: number): readonly Mapping[] {
    const { clusterBytes } = this;
    const batch: Mapping[] = [];
    for (let i = byte, from = at; i < view.byteLength && from < end; ) {
      const clusters = runOfEntries(this.#shape, view, i, Math.ceil((end - from) / clusterBytes));
      const to = Math.min(end, from - (from % clusterBytes) + clusters * clusterBytes);
      append(batch, decodeL2(this.#shape, view.getUint32(i), view.getUint32(i + 4), from, to - from));
      i += clusters * ENTRY_BYTES;
      from = to;
    }
    return batch;
  }

  #extended(view: DataView, byte: number, at: number, end: number): readonly Mapping[] {
    const batch: Mapping[] = [];
    for (let i = byte, from = at; i < view.byteLength && from < end; i += EXTENDED_ENTRY_BYTES) {
      const to = Math.min(end, from - (from % this.clusterBytes) + this.clusterBytes);
      for (const mapping of decodeExtended(this.#shape, view, i, from, to - from)) append(batch, mapping);
      from = to;
    }
    return batch;
  }
}

/** Host offset of an L2 table, 0 if there is none; readMetadata has checked the L1 table. */
function l2TableAt(view: DataView, byte: number): number {
  return hostOffset(view.getUint32(byte), view.getUint32(byte + 4));
}
