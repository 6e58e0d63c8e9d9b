import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A database that nobody refers to is closed by the garbage collector, and its lock would be gone. */
const held = new Set<DatabaseSync>();

/** Locks a file, which is made if need be. The lock is the kernel's (SQLite holds it on an empty file), so it ends with the process however that ends. */
export function systemLock(path: string): () => void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = new DatabaseSync(path);
  try {
    file.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    file.close();
    throw error;
  }
  held.add(file);
  return () => {
    if (held.delete(file)) file.close();
  };
}
