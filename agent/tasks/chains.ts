import { basename } from 'node:path';
import type { Container } from '../../core/api/tasks.ts';
import { openChain } from '../disk/chain.ts';
import type { ImageFormat } from '../disk/format.ts';
import type { Chain, DiskLayer } from '../disk/layer.ts';
import type { ImageFolder } from '../images/image-folder.ts';

/** Opens the chain of an image in the host's folder, works on it, and closes it. Errors: those of openChain and of `work`. */
export async function withChain<T>(
  { path: imageFolder, files }: Pick<ImageFolder, 'path' | 'files'>,
  image: { path: string; topFormat?: ImageFormat },
  work: (chain: Chain) => Promise<T>,
): Promise<T> {
  const { path, ...format } = image;
  const chain = await openChain(path, { imageFolder, files, ...format });
  try {
    return await work(chain);
  } finally {
    await chain.close();
  }
}

/** The same with several images at once. */
export function withChains<T>(
  folder: Pick<ImageFolder, 'path' | 'files'>,
  paths: readonly string[],
  work: (chains: Chain[]) => Promise<T>,
): Promise<T> {
  const [path, ...others] = paths;
  if (path === undefined) return work([]);
  return withChain(folder, { path }, (chain) => withChains(folder, others, (chains) => work([chain, ...chains])));
}

/** A chain is never empty. */
export function topOf(chain: Chain): DiskLayer {
  return chain.layers.at(-1)!;
}

export function nameOf(layer: DiskLayer): string {
  return basename(layer.path);
}

export function containerOf({ format, clusterBytes, qcow2 }: DiskLayer): Container {
  return { format, cluster_bytes: clusterBytes, ...(qcow2 === undefined ? {} : { version: qcow2.version }) };
}

/** Bytes of the extents in which the layer's own file holds data. Reads metadata only. */
export async function dataBytesOf(layer: DiskLayer): Promise<number> {
  let bytes = 0;
  for await (const { state, length } of layer.extents(0, layer.virtualBytes)) if (state === 'data') bytes += length;
  return bytes;
}
