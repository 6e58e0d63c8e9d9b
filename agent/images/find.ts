import { extname, join } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files, FolderEntry } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';

const ENDINGS: readonly string[] = ['.qcow2', '.img', '.raw'];

/** Marks a file that is still arriving. */
export const PARTIAL = '.partial';

/**
 * The image files in a folder and its sub-folders, by ending, ascending. Links, hidden names and folders deeper than
 * `limits.image_folder_depth_max` are passed over. Errors: IMAGE_FOLDER_MISSING, IMAGE_FOLDER_TOO_LARGE.
 */
export async function findImages(folder: string, files: Files = systemFiles): Promise<string[]> {
  const found: string[] = [];
  await collect(files, folder, 1, found);
  return found.sort();
}

async function collect(files: Files, folder: string, depth: number, found: string[]): Promise<void> {
  for (const entry of await list(files, folder, depth)) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.kind === 'folder' && depth < limits.image_folder_depth_max) await collect(files, path, depth + 1, found);
    else if (entry.kind === 'file' && ENDINGS.includes(extname(entry.name))) found.push(path);
    if (found.length > limits.image_files_max) throw tooLarge(folder);
  }
}

/** A sub-folder may vanish or be closed to the agent meanwhile; the image folder itself may not. */
async function list(files: Files, folder: string, depth: number): Promise<FolderEntry[]> {
  try {
    return await files.list(folder);
  } catch (cause) {
    if (depth > 1) return [];
    throw new LayerMoverError('IMAGE_FOLDER_MISSING', `the image folder ${folder} can't be read`, {
      hint: 'make it, let the agent’s user read it, or name another one',
      data: { folder },
      cause,
    });
  }
}

function tooLarge(folder: string): LayerMoverError {
  return new LayerMoverError('IMAGE_FOLDER_TOO_LARGE', `there are too many image files in ${folder}`, {
    hint: 'give the agent a folder of its own, or name its VMs one by one',
    data: { folder, limit: limits.image_files_max },
  });
}
