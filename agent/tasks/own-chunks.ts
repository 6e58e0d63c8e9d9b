import { limits } from '../../core/limits.ts';
import type { KnownLayer } from '../catalog/catalog.ts';
import { reportable } from '../daemon/reportable.ts';
import { openChain } from '../disk/chain.ts';
import type { Chain } from '../disk/layer.ts';
import { OwnChunks, type OwnLayer } from '../pull/own-chunks.ts';
import { topOf } from './chains.ts';
import type { TaskHost } from './task.ts';

/** Works with what the host's base layers of that chunk size hold, those that were read last first; closes them afterwards. */
export async function withOwnChunks<T>(
  host: Pick<TaskHost, 'catalog' | 'images' | 'manifests' | 'pool' | 'log'>,
  chunkBytes: number,
  work: (own: OwnChunks | undefined) => Promise<T>,
): Promise<T> {
  const { catalog, manifests, pool, log } = host;
  const held = new Map((await catalog.files()).map((layer) => [layer.layerId, layer]));
  const fitting = [...held.values()].filter((layer) => layer.chunkBytes === chunkBytes);
  const latest = fitting.toSorted((a, b) => (b.scannedMs ?? 0) - (a.scannedMs ?? 0)).slice(0, limits.own_layers_max);
  if (latest.length === 0) return work(undefined);
  const chains: Chain[] = [];
  const onFailure = (layer: string, error: unknown) =>
    log.warn(
      { layer, error: reportable(error) },
      'chunks of a layer that is here can’t be taken from it: they are fetched',
    );
  const layers = latest.map((layer) => ownLayer(host, layer, chains));
  try {
    return await work(new OwnChunks({ layers, chunkBytes, manifests, pool, onFailure }));
  } finally {
    await Promise.all(chains.map((chain) => chain.close()));
  }
}

function ownLayer({ images }: Pick<TaskHost, 'images'>, layer: KnownLayer, chains: Chain[]): OwnLayer {
  let opened: Promise<Chain> | undefined;
  return {
    layerId: layer.layerId,
    virtualBytes: layer.virtualBytes,
    async open() {
      opened ??= openChain(layer.path, {
        imageFolder: images.path,
        files: images.files,
        topFormat: layer.container.format,
      }).then((chain) => {
        chains.push(chain);
        return chain;
      });
      return topOf(await opened);
    },
  };
}
