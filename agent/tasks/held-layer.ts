import { hasCode } from '../../core/errors.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import { openChain } from '../disk/chain.ts';
import type { Chain, DiskLayer } from '../disk/layer.ts';
import type { ImageFolder } from '../images/image-folder.ts';
import { topOf } from './chains.ts';

/** A base layer all of which is here, its manifest as well. */
export interface HeldLayer extends Pick<KnownLayer, 'layerId' | 'path' | 'virtualBytes' | 'container'> {
  /** The name of its file until it was read back. */
  readonly partial?: string;
}

/** What a new image lies on. */
export interface Below {
  /** As the image is to name it. */
  readonly path: string;
  readonly disk: DiskLayer;
}

/** Opens its chain, under the name that it has: it may get its own any moment. Errors: those of openChain. */
export function openHeld(
  { path: imageFolder, files }: Pick<ImageFolder, 'path' | 'files'>,
  { path, partial, container }: HeldLayer,
): Promise<Chain> {
  const open = (name: string) => openChain(name, { imageFolder, files, topFormat: container.format });
  if (partial === undefined) return open(path);
  return open(partial).catch((error: unknown) => {
    if (!hasCode(error, 'IMAGE_NOT_FOUND')) throw error;
    return open(path);
  });
}

/** Works on what is below a new image, if there is anything, and closes it. Errors: those of openChain and of `work`. */
export async function overBelow<T>(
  images: Pick<ImageFolder, 'path' | 'files'>,
  below: HeldLayer | undefined,
  work: (below: Below | undefined) => Promise<T>,
): Promise<T> {
  if (below === undefined) return work(undefined);
  const chain = await openHeld(images, below);
  try {
    return await work({ path: below.path, disk: topOf(chain) });
  } finally {
    await chain.close();
  }
}
