import path from 'node:path';
import { systemFiles } from '../../../adapters/system/files.ts';
import type { NamedImage } from '../../../agent/derive/derive.ts';
import { LayerMoverError } from '../../../core/errors.ts';

export const IMAGES_OPTION = [
  '--images <dir>',
  'folder in which all images, and what they are based on, must be (default: the one that each is in)',
] as const;

/** An image named on the command line. What it is based on must be in the same folder, or in the one that is said. */
export async function namedImage(file: string, folder?: string): Promise<NamedImage> {
  const named = path.resolve(file);
  const real = await systemFiles.resolve(named).catch((cause) => {
    throw new LayerMoverError('IMAGE_NOT_FOUND', `there is no image ${file}`, {
      hint: 'check the path',
      data: { path: named },
      cause,
    });
  });
  return { path: real, folder: folder === undefined ? path.dirname(real) : path.resolve(folder) };
}
