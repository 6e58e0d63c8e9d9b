import { basename } from 'node:path';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { NamedImage } from '../derive/derive.ts';
import { openChain } from '../disk/chain.ts';
import { assertNotHeld, assertNotWritten } from '../disk/held.ts';
import type { DiskLayer } from '../disk/layer.ts';

/** The chains of some images, and each layer that they consist of once, whoever shares it. */
export interface Chains {
  /** Bottom first, each after those that it lies on. */
  readonly layers: readonly DiskLayer[];
  /** The number of the layer below each; undefined for bottom layers. */
  readonly below: readonly (number | undefined)[];
  /** The layers' names: those of their files, as far as that tells them apart. */
  readonly names: readonly string[];
  /** Of each image that no other one lies on: numbers of its layers, bottom first. */
  readonly vms: readonly (readonly number[])[];
  close(): Promise<void>;
}

/** Errors: SIMILARITY_TOO_MANY, IMAGE_HELD, BACKING_WRITTEN, those of openChain. */
export async function openChains(images: readonly NamedImage[]): Promise<Chains> {
  const opened: Awaited<ReturnType<typeof openChain>>[] = [];
  const close = async () => {
    await Promise.all(opened.map((chain) => chain.close()));
  };
  try {
    const layers = new Map<string, { layer: DiskLayer; below: string | undefined }>();
    for (const { path, folder } of images) {
      const chain = await openChain(path, { imageFolder: folder });
      opened.push(chain);
      for (const [depth, layer] of chain.layers.entries())
        layers.set(layer.path, layers.get(layer.path) ?? { layer, below: chain.layers[depth - 1]?.path });
      if (layers.size > limits.similarity_layers_max) throw tooMany();
    }
    const bases = new Set(opened.flatMap((chain) => chain.layers.slice(0, -1).map((layer) => layer.path)));
    const tops = opened.filter((chain) => !bases.has(chain.layers.at(-1)!.path));
    for (const chain of opened) await (tops.includes(chain) ? assertNotHeld : assertNotWritten)(chain.layers);
    const paths = [...layers.keys()];
    const vms = new Map(tops.map(({ layers: own }) => [own.at(-1)!.path, own.map(({ path }) => paths.indexOf(path))]));
    const all = [...layers.values()];
    const below = all.map((each) => (each.below === undefined ? undefined : paths.indexOf(each.below)));
    return { layers: all.map(({ layer }) => layer), below, names: namesOf(paths), vms: [...vms.values()], close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Bytes of data that a layer's map tells of: about what is read of it. Errors: QCOW2_INVALID, DISK_IO_FAILED. */
export async function mappedBytes(layer: DiskLayer): Promise<number> {
  let bytes = 0;
  for await (const { state, length } of layer.extents(0, layer.virtualBytes)) if (state === 'data') bytes += length;
  return bytes;
}

function namesOf(paths: readonly string[]): string[] {
  const names = paths.map((path) => basename(path));
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : paths[i]!));
}

function tooMany(): LayerMoverError {
  return new LayerMoverError(
    'SIMILARITY_TOO_MANY',
    `these images have more than ${limits.similarity_layers_max} layers`,
    {
      hint: 'compare fewer at a time',
      data: { limit: limits.similarity_layers_max },
    },
  );
}
