import type { HostFile } from './host-file.ts';
import { diskLimits } from './limits.ts';

/** A page of an image's tables. Whoever changes it sets `dirty`. */
export interface Page {
  readonly view: DataView;
  dirty: boolean;
}

const ENTRY_BYTES = 8;

/**
 * The L1 and L2 tables of an image, read page by page through a cache that forgets the least recently used and
 * writes it back if it was changed. A page never spans clusters, so that writing it back touches tables alone; bytes
 * past the end of the file are zeros. Pages that are being changed must not be forgotten: a writer holds two at a
 * time, the cache has room for hundreds.
 */
export class TablePages {
  readonly entriesPerPage: number;
  readonly #file: HostFile;
  readonly #pageBytes: number;
  readonly #pagesMax: number;
  readonly #pages = new Map<number, Promise<Page>>();

  constructor(file: HostFile, clusterBytes: number) {
    this.#file = file;
    this.#pageBytes = Math.min(clusterBytes, diskLimits.table_page_bytes_max);
    this.#pagesMax = diskLimits.table_cache_bytes / this.#pageBytes;
    this.entriesPerPage = this.#pageBytes / ENTRY_BYTES;
  }

  /** The page with entry `entry` of the table at host offset `table`, and where in `view` that entry starts. */
  async entry(table: number, entry: number): Promise<{ page: Page; byte: number }> {
    const offset = table + entry * ENTRY_BYTES;
    const byte = offset % this.#pageBytes;
    return { page: await this.#page(offset - byte), byte };
  }

  async flush(): Promise<void> {
    for (const [offset, page] of this.#pages) await this.#writeBack(offset, await page);
  }

  async #page(offset: number): Promise<Page> {
    const page = this.#pages.get(offset) ?? this.#load(offset);
    this.#pages.delete(offset);
    this.#pages.set(offset, page);
    if (this.#pages.size > this.#pagesMax) await this.#forgetOldest();
    return page;
  }

  #load(offset: number): Promise<Page> {
    const bytes = new Uint8Array(this.#pageBytes);
    const page = this.#file.read(bytes, offset).then((): Page => ({ view: new DataView(bytes.buffer), dirty: false }));
    page.catch(() => this.#pages.delete(offset));
    return page;
  }

  async #forgetOldest(): Promise<void> {
    for (const [offset, page] of this.#pages) {
      this.#pages.delete(offset);
      return this.#writeBack(offset, await page);
    }
  }

  async #writeBack(offset: number, page: Page): Promise<void> {
    if (!page.dirty) return;
    page.dirty = false;
    await this.#file.write(new Uint8Array(page.view.buffer), offset);
  }
}
