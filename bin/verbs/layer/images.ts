import path from 'node:path';
import { systemFiles } from '../../../adapters/system/files.ts';
import type { NamedImage } from '../../../agent/derive/derive.ts';
import { resolveFolder } from '../../../agent/disk/backing.ts';
import { LayerMoverError } from '../../../core/errors.ts';

export const IMAGES_OPTION = [
  '--images <dir>',
  'folder whose images may be based on others anywhere in it (default: only on those beside them)',
] as const;

/** An image named on the command line. What it is based on must be in `folder` if it is in there itself, else beside it. */
export async function namedImage(file: string, folder?: string): Promise<NamedImage> {
  const named = path.resolve(file);
  const real = await systemFiles.resolve(named).catch((cause) => {
    throw new LayerMoverError('IMAGE_NOT_FOUND', `there is no image ${file}`, {
      hint: 'check the path',
      data: { path: named },
      cause,
    });
  });
  const within = folder === undefined ? undefined : await resolveFolder(systemFiles, path.resolve(folder));
  const inside = within !== undefined && real.startsWith(within.endsWith(path.sep) ? within : within + path.sep);
  return { path: real, folder: inside ? within : path.dirname(real) };
}
