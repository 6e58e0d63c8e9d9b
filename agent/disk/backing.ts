import { dirname, resolve, sep } from 'node:path';
import { LayerMoverError } from '../../core/errors.ts';
import { type Files, isRefusedWith } from '../../core/files.ts';
import { diskLimits } from './limits.ts';

/**
 * The path a backing name means, relative to the file that names it. Only plain file names are taken: what has a
 * colon before any slash is a protocol or a json: description to QEMU (BACKING_NAME_REFUSED).
 */
export function backingPath(namedBy: string, name: string): string {
  checkBackingName(namedBy, name);
  return resolve(dirname(namedBy), name);
}

/** The path of an external data file, by the same rules (DATA_FILE_NAME_REFUSED). QEMU looks from where it was started. */
export function dataFilePath(namedBy: string, name: string): string {
  if (isPlainName(name)) return resolve(dirname(namedBy), name);
  throw new LayerMoverError('DATA_FILE_NAME_REFUSED', `${namedBy} names no plain file as its external data file`, {
    hint: 'convert it to an image that has its data in itself: qemu-img convert -O qcow2',
    data: { path: namedBy, name },
  });
}

/** QEMU ends a name at a NUL; other control characters are legal in file names, and only there to deceive who reads them. */
function isPlainName(name: string): boolean {
  const plain = name !== '' && !/\p{Cc}/u.test(name) && !/^[^/]*:/.test(name);
  return plain && Buffer.byteLength(name) <= diskLimits.backing_name_bytes_max;
}

/** Refuses (BACKING_NAME_REFUSED) what is no plain file name of at most 1,023 bytes. */
export function checkBackingName(namedBy: string, name: string): void {
  if (isPlainName(name)) return;
  throw new LayerMoverError('BACKING_NAME_REFUSED', `${namedBy} names no plain file as its backing file`, {
    hint: 'give it a local backing file: qemu-img rebase -u -F qcow2 -b FILE',
    data: { path: namedBy, name },
  });
}

/** The image folder with all links resolved. Errors: IMAGE_FOLDER_MISSING. */
export async function resolveFolder(files: Files, folder: string): Promise<string> {
  try {
    return await files.resolve(folder);
  } catch (cause) {
    throw new LayerMoverError('IMAGE_FOLDER_MISSING', `the image folder ${folder} can't be found`, {
      hint: 'make the folder, or name another one in the agent’s settings',
      data: { folder },
      cause,
    });
  }
}

/** `path` with all links resolved; refuses what is missing (`missing`) or leads out of `folder` (IMAGE_OUTSIDE_FOLDER). */
export async function resolveInside(files: Files, folder: string, path: string, missing: string): Promise<string> {
  let real: string;
  try {
    real = await files.resolve(path);
  } catch (cause) {
    const code = isRefusedWith(cause, 'ENOENT') ? missing : 'IMAGE_NOT_READABLE';
    const hint = 'check the path; qemu-img info --backing-chain shows what each image names';
    throw new LayerMoverError(code, `${path} can't be found`, { hint, data: { path }, cause });
  }
  if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
    throw new LayerMoverError('IMAGE_OUTSIDE_FOLDER', `${path} is not inside the image folder ${folder}`, {
      hint: 'move the whole chain into the image folder, or choose that folder for this agent',
      data: { path, real, folder },
    });
  }
  return real;
}
