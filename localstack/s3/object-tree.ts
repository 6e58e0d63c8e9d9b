import { mkdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FolderSync } from './folder-sync.ts';
import { OBJECT, placeOf } from './layout.ts';
import { type ObjectRecord, type OpenObject, openObject, readObjectRecord } from './object-file.ts';
import { type Cursor, walkKeys } from './walk.ts';

/**
 * Objects by key, as files below a folder. Keys are byte strings (layout.ts). What decides who wins (check and rename,
 * unlink and removal of empty folders) is done in one synchronous step; making it durable comes after.
 */
export class ObjectTree {
  readonly #root: string;
  readonly #folderSync: FolderSync;

  /** Makes the root folder. */
  constructor(root: string, folderSync: FolderSync) {
    mkdirSync(root, { recursive: true });
    this.#root = root;
    this.#folderSync = folderSync;
  }

  /** The caller closes the file. */
  open(key: string): OpenObject | undefined {
    return openObject(this.#pathOf(key));
  }

  record(key: string): ObjectRecord | undefined {
    return readObjectRecord(this.#pathOf(key));
  }

  /**
   * Makes a finished object file visible under `key`, unless `check` throws on what is there now. Resolves when it is
   * durable.
   */
  async publish(file: string, key: string, check: (existing: ObjectRecord | undefined) => void): Promise<void> {
    const path = this.#pathOf(key);
    const folder = dirname(path);
    check(readObjectRecord(path));
    const firstMade = mkdirSync(folder, { recursive: true });
    renameSync(file, path);
    await this.#syncUpTo(folder, firstMade === undefined ? folder : dirname(firstMade));
  }

  /** Resolves when the object is durably gone; it need not have been there. */
  async remove(key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      unlinkSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    await this.#folderSync.sync(this.#prune(dirname(path)));
  }

  /** Keys that begin with `prefix`, in byte order, from the cursor on. */
  keys(prefix: string, cursor: Cursor): AsyncGenerator<string> {
    return walkKeys(this.#root, prefix, cursor);
  }

  #pathOf(key: string): string {
    const { folders, name } = placeOf(key);
    return join(this.#root, ...folders, name + OBJECT);
  }

  async #syncUpTo(folder: string, top: string): Promise<void> {
    const syncs = [this.#folderSync.sync(folder)];
    for (let at = folder; at !== top; at = dirname(at)) syncs.push(this.#folderSync.sync(dirname(at)));
    await Promise.all(syncs);
  }

  /** Removes `folder` and those above it as far as they are empty; the one that is left. */
  #prune(folder: string): string {
    for (let at = folder; at !== this.#root; at = dirname(at)) {
      try {
        rmdirSync(at);
      } catch {
        return at;
      }
    }
    return this.#root;
  }
}
