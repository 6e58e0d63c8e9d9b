/** What the agent needs of a host's file system. Adapters implement it; test/conformance holds them to it. */

export interface FileStat {
  readonly kind: 'file' | 'folder' | 'other';
  readonly bytes: number;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export interface FolderEntry {
  readonly name: string;
  readonly kind: FileStat['kind'];
}

/** An open file. Reads and writes are whole, at explicit offsets. */
export interface OpenFile {
  /** Names the file to `readAt`, in every thread of the process, until `close`. */
  readonly fd: number;
  stat(): Promise<FileStat>;
  /** Fills `into` from `offset` on; gives the bytes read, fewer than asked for only at the end of the file. */
  read(into: Uint8Array, offset: number): Promise<number>;
  write(bytes: Uint8Array, offset: number): Promise<void>;
  truncate(bytes: number): Promise<void>;
  /** The bytes are on disk when this resolves. The name is only after `syncFolder`. */
  sync(): Promise<void>;
  /** Again is no error. */
  close(): Promise<void>;
}

/** Fills `into` from a file's `offset` on, synchronously; gives the bytes read, fewer than asked for only at the file's end. */
export type ReadAt = (fd: number, into: Uint8Array, offset: number) => number;

/**
 * `read` never blocks on a pipe and never follows a link in the last part of the path. `create` makes a new file,
 * refuses a path that is taken, and reads as well; `replace` cuts the file to nothing if it is there. New files are
 * readable by their owner alone.
 */
export type Opening = 'read' | 'create' | 'replace';

/**
 * Files by absolute path. What the system refuses is thrown with its code: ENOENT, EEXIST, ENOTEMPTY, ELOOP, EACCES,
 * ENOSPC and so on. A change survives a crash of the host once the file, or for names the folder, was synced.
 */
export interface Files {
  open(path: string, how: Opening): Promise<OpenFile>;
  readAt: ReadAt;
  readFile(path: string): Promise<Buffer>;
  /** Follows links. */
  stat(path: string): Promise<FileStat>;
  exists(path: string): boolean;
  /** The path with all links resolved. */
  resolve(path: string): Promise<string>;
  freeBytes(folder: string): Promise<number>;
  list(folder: string): Promise<FolderEntry[]>;
  /** Makes a folder and those above it, for its owner alone; on disk when this resolves. One that is there is no error. */
  makeFolder(path: string): Promise<void>;
  /** Makes a new folder whose path begins with `prefix`; gives its path. */
  makeTemporaryFolder(prefix: string): Promise<string>;
  /** Within a folder. Replaces a file of the new name; a folder that is not empty is ENOTEMPTY or EEXIST. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with all in it. An absent one is no error. */
  remove(path: string): Promise<void>;
  /** The folder's names are on disk when this resolves. */
  syncFolder(path: string): Promise<void>;
  /** Takes a lock that ends with the process, on a file of its own; gives how to end it before. Throws if it is held. */
  lock(path: string): () => void;
}

/** True if the system refused with one of these codes. */
export function isRefusedWith(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as { code?: unknown } | undefined)?.code as string);
}

/** What was asked for; undefined if the system refused because it is not there. */
export function ifThere<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error: unknown) => {
    if (isRefusedWith(error, 'ENOENT')) return undefined;
    throw error;
  });
}
