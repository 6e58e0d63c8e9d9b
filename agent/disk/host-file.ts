import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { LayerMoverError } from '../../core/errors.ts';

/** An open file of this host. Reads and writes are whole, at explicit offsets, and fail with typed errors. */
export class HostFile {
  readonly path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** Opens for reading. Never blocks on a pipe and never follows a link in the last part of `path`. */
  static async openToRead(path: string): Promise<HostFile> {
    const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
    return new HostFile(path, await attempt('open', path, () => open(path, flags)));
  }

  /** Makes a new file, readable by its owner alone; refuses (DISK_EXISTS) a path that is taken. */
  static async create(path: string): Promise<HostFile> {
    return new HostFile(path, await attempt('create', path, () => open(path, 'wx+', 0o600)));
  }

  /** Valid in every thread of the process until `close`. */
  get fd(): number {
    return this.#handle.fd;
  }

  stat() {
    return attempt('stat', this.path, () => this.#handle.stat());
  }

  /** Fills `into` from `offset` on; returns the bytes read, fewer than asked for only at the end of the file. */
  async read(into: Uint8Array, offset: number): Promise<number> {
    return attempt('read', this.path, async () => {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await this.#handle.read(into, done, into.length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    });
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    await attempt('write', this.path, async () => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, offset + done);
        done += bytesWritten;
      }
    });
  }

  async truncate(bytes: number): Promise<void> {
    await attempt('resize', this.path, () => this.#handle.truncate(bytes));
  }

  async sync(): Promise<void> {
    await attempt('sync', this.path, () => this.#handle.sync());
  }

  async close(): Promise<void> {
    await this.#handle.close();
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
