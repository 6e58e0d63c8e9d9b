import { posix } from 'node:path';
import type { FileStat, Files, FolderEntry, OpenFile, Opening } from '../../core/files.ts';
import { FileContent } from './file-content.ts';
import { FileFolder, type FileNode } from './file-folder.ts';

const { basename, dirname } = posix;

export interface MemoryFilesOptions {
  /** The host's clock, for what changed when. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1): what a crash leaves of what was not synced. */
  readonly chance: () => number;
  /** Called before each call that may change or wait; what it throws, the call throws. */
  readonly before?: (call: string, path: string) => void;
}

/**
 * A host's file system in memory, with what matters of a real one when the host crashes: bytes that were not synced may
 * be lost or torn, names that were not synced are as before. There are no links, and a rename stays in its
 * folder. Paths are absolute.
 */
export class MemoryFiles implements Files {
  readonly #options: MemoryFilesOptions;
  #root = new FileFolder(1n);
  #inodes = 1n;
  #fds = 0;
  #temporary = 0;
  #open = new Map<number, FileContent>();
  #locked = new Set<string>();
  /** No write finds room while this is set. */
  full = false;

  constructor(options: MemoryFilesOptions) {
    this.#options = options;
  }

  async open(path: string, how: Opening): Promise<OpenFile> {
    this.#before('open', path);
    const folder = this.#folder(dirname(path), 'open');
    let node = folder.get(basename(path));
    if (how === 'create' && node !== undefined) throw refused('EEXIST', 'open', path);
    if (how === 'read' && node === undefined) throw refused('ENOENT', 'open', path);
    if (node instanceof FileFolder) throw refused('EISDIR', 'open', path);
    if (node === undefined) {
      this.#assertRoom('open', path);
      node = new FileContent(++this.#inodes, this.#options.nowMs());
      folder.set(basename(path), node);
    }
    if (how === 'replace') node.truncate(0, this.#options.nowMs());
    return this.#handle(path, node);
  }

  readAt = (fd: number, into: Uint8Array, offset: number): number => {
    const content = this.#open.get(fd);
    if (content === undefined) throw refused('EBADF', 'read', String(fd));
    return content.read(into, offset);
  };

  async readFile(path: string): Promise<Buffer> {
    this.#before('readFile', path);
    const node = this.#find(path, 'open');
    if (node instanceof FileFolder) throw refused('EISDIR', 'read', path);
    const bytes = Buffer.alloc(node.size);
    node.read(bytes, 0);
    return bytes;
  }

  async stat(path: string): Promise<FileStat> {
    this.#before('stat', path);
    return statOf(this.#find(path, 'stat'));
  }

  exists(path: string): boolean {
    return this.#lookup(path) !== undefined;
  }

  async resolve(path: string): Promise<string> {
    this.#before('resolve', path);
    this.#find(path, 'realpath');
    return posix.resolve(path);
  }

  async freeBytes(folder: string): Promise<number> {
    this.#before('freeBytes', folder);
    return this.full ? 0 : 2 ** 40;
  }

  async list(folder: string): Promise<FolderEntry[]> {
    this.#before('list', folder);
    return this.#folder(folder, 'scandir').entries.map(([name, { kind }]) => ({ name, kind }));
  }

  async makeFolder(path: string): Promise<void> {
    this.#before('makeFolder', path);
    this.#make(path, true);
  }

  async makeTemporaryFolder(prefix: string): Promise<string> {
    this.#before('makeTemporaryFolder', prefix);
    const path = prefix + String(++this.#temporary).padStart(6, '0');
    this.#folder(dirname(path), 'mkdtemp').set(basename(path), new FileFolder(++this.#inodes));
    return path;
  }

  async rename(from: string, to: string): Promise<void> {
    this.#before('rename', to);
    const source = this.#folder(dirname(from), 'rename');
    if (dirname(from) !== dirname(to)) throw refused('EXDEV', 'rename', to);
    const node = source.get(basename(from));
    if (node === undefined) throw refused('ENOENT', 'rename', from);
    const taken = source.get(basename(to));
    if (taken instanceof FileFolder && taken.entries.length > 0) throw refused('ENOTEMPTY', 'rename', to);
    source.rename(basename(from), basename(to), node);
    if (node instanceof FileContent) node.ctimeNs = node.tick(this.#options.nowMs());
  }

  async remove(path: string): Promise<void> {
    this.#before('remove', path);
    const folder = this.#lookup(dirname(path));
    if (folder instanceof FileFolder) folder.remove(basename(path));
  }

  async syncFolder(path: string): Promise<void> {
    this.#before('syncFolder', path);
    this.#folder(path, 'fsync').sync();
  }

  lock(path: string): () => void {
    this.#make(dirname(path), false);
    if (this.#locked.has(path)) throw refused('EBUSY', 'lock', path);
    this.#locked.add(path);
    return () => void this.#locked.delete(path);
  }

  /**
   * The host loses its power: handles and locks are gone, bytes and names are what the disk has. Of bytes and names that
   * were not synced, each may have come to the disk by itself.
   */
  crash(): void {
    this.#open = new Map();
    this.#locked = new Set();
    this.#root.crash(this.#options.chance);
  }

  /** Only the process dies: what it wrote is the system's, and stays. */
  kill(): void {
    this.#open = new Map();
    this.#locked = new Set();
  }

  /** A host whose disk holds what this one's does for sure: the worst that a crash can leave. For tests. */
  asOnDisk(): MemoryFiles {
    const copy = new MemoryFiles(this.#options);
    copy.#root = this.#root.asOnDisk();
    return copy;
  }

  /** Bytes of the file at `path` as a running system sees them; undefined if there is none. For tests. */
  peek(path: string): Buffer | undefined {
    const node = this.#lookup(path);
    if (!(node instanceof FileContent)) return undefined;
    const bytes = Buffer.alloc(node.size);
    node.read(bytes, 0);
    return bytes;
  }

  /** Paths of all files below a folder, ascending. For tests. */
  paths(folder: string): string[] {
    const node = this.#lookup(folder);
    if (!(node instanceof FileFolder)) return [];
    const below = node.entries.flatMap(([name, each]) =>
      each instanceof FileFolder ? this.paths(`${folder}/${name}`) : [`${folder}/${name}`],
    );
    return below.sort();
  }

  #handle(path: string, content: FileContent): OpenFile {
    const fd = ++this.#fds;
    this.#open.set(fd, content);
    const use = (call: string): FileContent => {
      this.#before(call, path);
      if (!this.#open.has(fd)) throw refused('EBADF', call, path);
      return content;
    };
    return {
      fd,
      stat: async () => statOf(use('fstat')),
      read: async (into, offset) => use('read').read(into, offset),
      write: async (bytes, offset) => {
        const file = use('write');
        this.#assertRoom('write', path);
        file.write(bytes, offset, this.#options.nowMs());
      },
      truncate: async (bytes) => use('truncate').truncate(bytes, this.#options.nowMs()),
      sync: async () => use('sync').sync(),
      close: async () => {
        this.#before('close', path);
        this.#open.delete(fd);
      },
    };
  }

  #before(call: string, path: string): void {
    this.#options.before?.(call, path);
  }

  #assertRoom(call: string, path: string): void {
    if (this.full) throw refused('ENOSPC', call, path);
  }

  #make(path: string, durably: boolean): FileFolder {
    if (path === '/') return this.#root;
    const above = this.#make(dirname(path), durably);
    const node = above.get(basename(path));
    if (node instanceof FileContent) throw refused('EEXIST', 'mkdir', path);
    if (node !== undefined) return node;
    const made = new FileFolder(++this.#inodes);
    above.set(basename(path), made);
    if (durably) above.sync();
    return made;
  }

  #lookup(path: string): FileNode | undefined {
    if (path === '/') return this.#root;
    const folder = this.#lookup(dirname(path));
    return folder instanceof FileFolder ? folder.get(basename(path)) : undefined;
  }

  #find(path: string, call: string): FileNode {
    return this.#lookup(path) ?? fail(refused('ENOENT', call, path));
  }

  #folder(path: string, call: string): FileFolder {
    const node = this.#find(path, call);
    return node instanceof FileFolder ? node : fail(refused('ENOTDIR', call, path));
  }
}

function statOf(node: FileNode): FileStat {
  const { kind, ino } = node;
  if (node instanceof FileFolder) return { kind, bytes: 0, dev: 1n, ino, mtimeNs: 0n, ctimeNs: 0n };
  return { kind, bytes: node.size, dev: 1n, ino, mtimeNs: node.mtimeNs, ctimeNs: node.ctimeNs };
}

function refused(code: string, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${call} '${path}'`), { code });
}

function fail(error: Error): never {
  throw error;
}
