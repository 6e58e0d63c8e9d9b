import { dirname } from 'node:path';
import type { Files } from '../../core/files.ts';

/** Replaces a small file at once and durably: after a crash it is what it was before, or all of `bytes`. */
export async function writeDurably(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await files.open(temporary, 'replace');
    try {
      await file.write(bytes, 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await renameDurably(files, temporary, path);
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
}

/** Renames within a folder; the new name is on disk when this returns. */
export async function renameDurably(files: Files, from: string, to: string): Promise<void> {
  await files.rename(from, to);
  await files.syncFolder(dirname(to));
}
