import { systemFiles } from '../../adapters/system/files.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { FileStat, Files, OpenFile, ReadAt } from '../../core/files.ts';
import { diskLimits } from './limits.ts';

/**
 * An open file of this host. Reads and writes are whole, at explicit offsets, and fail with typed errors. What is written is
 * brought on disk meanwhile, so that a `sync` in the end, for which a guest may be waiting, has little left.
 */
export class HostFile {
  readonly path: string;
  readonly files: Files;
  readonly #file: OpenFile;
  /** Bytes written since the last sync began. */
  #written = 0;
  #syncingAhead: Promise<void> | undefined;
  /** Of a sync that nobody waited for: the system tells of lost bytes but once. */
  #lost: { readonly error: unknown } | undefined;

  private constructor(path: string, files: Files, file: OpenFile) {
    this.path = path;
    this.files = files;
    this.#file = file;
  }

  /** Opens for reading. Never blocks on a pipe and never follows a link in the last part of `path`. */
  static async openToRead(path: string, files: Files = systemFiles): Promise<HostFile> {
    return new HostFile(path, files, await attempt('open', path, () => files.open(path, 'read')));
  }

  /** Makes a new file, readable by its owner alone; refuses (DISK_EXISTS) a path that is taken. */
  static async create(path: string, files: Files = systemFiles): Promise<HostFile> {
    return new HostFile(path, files, await attempt('create', path, () => files.open(path, 'create')));
  }

  /** Valid in every thread of the process until `close`. */
  get fd(): number {
    return this.#file.fd;
  }

  /** Reads this file and others of the same host by descriptor. */
  get readAt(): ReadAt {
    return this.files.readAt;
  }

  stat(): Promise<FileStat> {
    return attempt('stat', this.path, () => this.#file.stat());
  }

  /** Fills `into` from `offset` on; returns the bytes read, fewer than asked for only at the end of the file. */
  read(into: Uint8Array, offset: number): Promise<number> {
    return attempt('read', this.path, () => this.#file.read(into, offset));
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    await attempt('write', this.path, () => this.#file.write(bytes, offset));
    this.#written += bytes.length;
    if (this.#written >= diskLimits.sync_ahead_bytes && this.#syncingAhead === undefined) this.#syncAhead();
  }

  truncate(bytes: number): Promise<void> {
    return attempt('resize', this.path, () => this.#file.truncate(bytes));
  }

  async sync(): Promise<void> {
    await this.#syncingAhead;
    if (this.#lost !== undefined) throw this.#lost.error;
    await this.#sync();
  }

  async close(): Promise<void> {
    await this.#syncingAhead;
    await this.#file.close();
  }

  #sync(): Promise<void> {
    this.#written = 0;
    return attempt('sync', this.path, () => this.#file.sync());
  }

  #syncAhead(): void {
    this.#syncingAhead = this.#sync()
      .catch((error: unknown) => {
        this.#lost = { error };
      })
      .finally(() => {
        this.#syncingAhead = undefined;
      });
  }
}

const CODES: Readonly<Record<string, readonly [code: string, hint: string]>> = {
  ENOENT: ['IMAGE_NOT_FOUND', 'check the path'],
  ELOOP: ['IMAGE_NOT_REGULAR', 'name the file itself, not a link to it'],
  EACCES: ['IMAGE_NOT_READABLE', 'let the agent’s user read the image and its folder'],
  EEXIST: ['DISK_EXISTS', 'choose another path or remove the file'],
  ENOSPC: ['DISK_FULL', 'free room on this file system, then run the command again'],
  EFBIG: ['DISK_FULL', 'this file system or the user’s limits allow no file of that size'],
};

/** Runs one file operation; what the system refuses becomes a typed error that says which file and what to do. */
async function attempt<T>(op: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? '';
    const [code, hint] = CODES[errno] ?? ['DISK_IO_FAILED', 'look into the kernel log for this device'];
    throw new LayerMoverError(code, `could not ${op} ${path}: ${errno}`, { hint, data: { path, op }, cause });
  }
}
