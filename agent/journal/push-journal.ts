import { errorToJson } from '../../core/errors.ts';
import type { Files, OpenFile } from '../../core/files.ts';
import { DIGEST_BYTES, fromHex, isNone, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { renameDurably } from '../catalog/durable.ts';
import type { Log } from '../daemon/log.ts';
import type { JournalOf } from './format.ts';
import { encodeEntry, encodeHeader, entriesBytes, type Spent, type StoredVersion, type Told } from './format.ts';

interface Written {
  readonly file: OpenFile;
  bytes: number;
}

/**
 * What one push has stored so far, so that a later attempt need not send it again. It only saves work: whatever keeps it
 * from being written is logged, and the push goes on without. One call at a time.
 */
export class PushJournal {
  readonly #files: Files;
  readonly #path: string;
  readonly #log: Log;
  readonly #migration: string;
  readonly #header: Buffer;
  readonly #ids: Buffer;
  #spent: Spent;
  #written: Written | undefined;

  private constructor(files: Files, path: string, log: Log, of: JournalOf, { beganMs, ids, spent }: Told) {
    this.#files = files;
    this.#path = path;
    this.#log = log;
    this.#migration = of.migration;
    this.#header = encodeHeader(of, beganMs);
    this.#ids = ids;
    this.#spent = spent;
  }

  /** Begins the file at `path` anew, with what the one before told. */
  static async begin(files: Files, path: string, log: Log, of: JournalOf, told: Told): Promise<PushJournal> {
    const journal = new PushJournal(files, path, log, of, told);
    await journal.#orWithout(() => journal.#rewrite());
    return journal;
  }

  /** What earlier attempts have cost, and this one as far as it was noted. */
  get spent(): Spent {
    return this.#spent;
  }

  /** The id (hex) of the segment's latest version that is stored; undefined if none is. */
  latest(index: number): string | undefined {
    const id = this.#ids.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    return isNone(id) ? undefined : toHex(id);
  }

  /** Notes versions that are stored with all that they need. They survive a crash when this resolves. */
  async note(versions: readonly StoredVersion[], spent: Spent): Promise<void> {
    const news = versions.filter(({ index, id }) => this.latest(index) !== id);
    for (const { index, id } of news) this.#ids.set(fromHex(id), index * DIGEST_BYTES);
    this.#spent = spent;
    const written = this.#written;
    if (written === undefined || news.length === 0) return;
    const isFull = written.bytes + entriesBytes(news.length) > limits.journal_bytes_max;
    await this.#orWithout(() => (isFull ? this.#rewrite() : this.#append(written, news)));
  }

  async close(): Promise<void> {
    const written = this.#written;
    this.#written = undefined;
    await written?.file.close().catch(() => undefined);
  }

  async #append(written: Written, versions: readonly StoredVersion[]): Promise<void> {
    await this.#put(written, versions);
    await written.file.sync();
  }

  /** Writes all that is known into a new file, which takes the place of the one before. */
  async #rewrite(): Promise<void> {
    const temporary = `${this.#path}.tmp`;
    const written = { file: await this.#files.open(temporary, 'replace'), bytes: 0 };
    try {
      await written.file.write(this.#header, 0);
      written.bytes = this.#header.length;
      await this.#put(written, [...this.#known()]);
      await written.file.sync();
      await renameDurably(this.#files, temporary, this.#path);
    } catch (error) {
      await written.file.close().catch(() => undefined);
      throw error;
    }
    await this.close();
    this.#written = written;
  }

  *#known(): Generator<StoredVersion> {
    for (let index = 0; index < this.#ids.length / DIGEST_BYTES; index++) {
      const id = this.latest(index);
      if (id !== undefined) yield { index, id };
    }
  }

  async #put(written: Written, versions: readonly StoredVersion[]): Promise<void> {
    const most = limits.segments_per_round_commit_max;
    for (let at = 0; at < versions.length; at += most) {
      const entry = encodeEntry(this.#header, versions.slice(at, at + most), this.#spent);
      await written.file.write(entry, written.bytes);
      written.bytes += entry.length;
    }
  }

  async #orWithout(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      await this.close();
      const fields = { migration: this.#migration, path: this.#path, error: errorToJson(error) };
      this.#log.warn(
        fields,
        'the journal of a push can’t be written; if the push is interrupted, more of it is sent again',
      );
    }
  }
}
