import { limits } from '../../core/limits.ts';
import { reportable } from '../daemon/reportable.ts';
import type { Chain } from '../disk/layer.ts';
import { OwnChunks, type OwnLayer } from '../pull/own-chunks.ts';
import { topOf } from './chains.ts';
import { type HeldLayer, openHeld } from './held-layer.ts';
import type { TaskHost } from './task.ts';

/**
 * Works with what the host's base layers of that chunk size hold, `before` first, then those that were read last; closes them
 * afterwards.
 */
export async function withOwnChunks<T>(
  host: Pick<TaskHost, 'catalog' | 'images' | 'manifests' | 'pool' | 'log'>,
  { chunkBytes, before }: { readonly chunkBytes: number; readonly before?: HeldLayer | undefined },
  work: (own: OwnChunks | undefined) => Promise<T>,
): Promise<T> {
  const { manifests, pool, log } = host;
  const known = await knownLayers(host, chunkBytes);
  const latest = (before === undefined ? known : [before, ...known]).slice(0, limits.own_layers_max);
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

/** Those that the catalog knows, the one that was read last first; each once. */
async function knownLayers({ catalog }: Pick<TaskHost, 'catalog'>, chunkBytes: number): Promise<HeldLayer[]> {
  const held = new Map((await catalog.files()).map((layer) => [layer.layerId, layer]));
  const fitting = [...held.values()].filter((layer) => layer.chunkBytes === chunkBytes);
  return fitting.sort((a, b) => (b.scannedMs ?? 0) - (a.scannedMs ?? 0));
}

function ownLayer({ images }: Pick<TaskHost, 'images'>, layer: HeldLayer, chains: Chain[]): OwnLayer {
  let opened: Promise<Chain> | undefined;
  return {
    layerId: layer.layerId,
    virtualBytes: layer.virtualBytes,
    async open() {
      opened ??= openHeld(images, layer).then((chain) => {
        chains.push(chain);
        return chain;
      });
      return topOf(await opened);
    },
  };
}
