import { type BigIntStats, constants, type Dirent, existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FileStat, Files, OpenFile, Opening } from '../../core/files.ts';
import { systemLock } from './lock.ts';
import { systemReadAt } from './read-at.ts';

const FLAGS: Readonly<Record<Opening, number>> = {
  read: constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  replace: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
};

/** The machine's own file system. */
export const systemFiles: Files = {
  open: async (path, how) => new SystemFile(await fs.open(path, FLAGS[how], 0o600)),
  readAt: systemReadAt,
  readFile: (path) => fs.readFile(path),
  stat: async (path) => statOf(await fs.stat(path, { bigint: true })),
  exists: existsSync,
  resolve: (path) => fs.realpath(path),
  freeBytes: async (folder) => {
    const { bavail, bsize } = await fs.statfs(folder);
    return bavail * bsize;
  },
  list: async (folder) => {
    const entries = await fs.readdir(folder, { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
  },
  makeFolder,
  makeTemporaryFolder: (prefix) => fs.mkdtemp(prefix),
  rename: (from, to) => fs.rename(from, to),
  remove: (path) => fs.rm(path, { recursive: true, force: true }),
  syncFolder,
  lock: systemLock,
};

async function makeFolder(path: string): Promise<void> {
  const first = await fs.mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await fs.open(path, 'r');
  await folder.sync();
}

class SystemFile implements OpenFile {
  readonly #handle: fs.FileHandle;

  constructor(handle: fs.FileHandle) {
    this.#handle = handle;
  }

  get fd(): number {
    return this.#handle.fd;
  }

  async stat(): Promise<FileStat> {
    return statOf(await this.#handle.stat({ bigint: true }));
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
  }

  truncate(bytes: number): Promise<void> {
    return this.#handle.truncate(bytes);
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function statOf(stat: BigIntStats): FileStat {
  const { size, dev, ino, mtimeNs, ctimeNs } = stat;
  return { kind: kindOf(stat), bytes: Number(size), dev, ino, mtimeNs, ctimeNs };
}

function kindOf(entry: Pick<Dirent, 'isFile' | 'isDirectory'>): FileStat['kind'] {
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'folder' : 'other';
}
