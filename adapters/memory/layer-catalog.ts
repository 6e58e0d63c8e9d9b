import type { HostRef } from '../../core/api/names.ts';
import type { LayerCatalog } from '../../core/ports.ts';
import type { LayerRecord } from '../../core/records.ts';
import { plain } from '../rules/plain.ts';

/** Layers and the hosts that hold them, in memory. */
export function createMemoryLayerCatalog(): LayerCatalog {
  const layers = new Map<string, LayerRecord>();
  const registered = new Map<string, LayerRecord>();
  const presence = new Map<string, Set<HostRef>>();
  const removals = new Map<string, number>();

  const key = (namespace: string, layerId: string) => `${namespace}#${layerId}`;
  const holdersOf = (namespace: string, layerId: string) => presence.get(key(namespace, layerId)) ?? new Set<HostRef>();

  function page(of: ReadonlyMap<string, LayerRecord>, namespace: string, limit: number, after = ''): LayerRecord[] {
    const keys = [...of.keys()].filter((each) => each.startsWith(`${namespace}#`) && each > key(namespace, after));
    return keys
      .sort()
      .slice(0, limit)
      .map((each) => plain(of.get(each)!));
  }

  return {
    async record(namespace, layer) {
      const at = key(namespace, layer.layerId);
      if (!layers.has(at)) layers.set(at, plain(layer));
    },
    async erase(namespace, layerId) {
      layers.delete(key(namespace, layerId));
    },
    async use(namespace, layerId, atMs) {
      const at = key(namespace, layerId);
      const layer = layers.get(at);
      if (layer !== undefined) layers.set(at, { ...layer, usedMs: atMs });
      return layer !== undefined;
    },
    async retire(namespace, { layerId, recordedMs, usedMs }) {
      const at = key(namespace, layerId);
      const layer = layers.get(at);
      if (layer?.recordedMs !== recordedMs || layer.usedMs !== usedMs) return false;
      return layers.delete(at);
    },
    async noteRemoval(namespace, atMs) {
      removals.set(namespace, atMs);
    },
    async removedMs(namespace) {
      return removals.get(namespace) ?? Number.NEGATIVE_INFINITY;
    },
    async find(namespace, layerId) {
      const layer = layers.get(key(namespace, layerId));
      return layer && plain(layer);
    },
    list: async (namespace, limit, after) => page(layers, namespace, limit, after),
    async register(namespace, layer) {
      registered.set(key(namespace, layer.layerId), plain(layer));
    },
    registered: async (namespace, limit, after) => page(registered, namespace, limit, after),
    async findRegistered(namespace, layerId) {
      const layer = registered.get(key(namespace, layerId));
      return layer && plain(layer);
    },
    async unregister(namespace, layerId) {
      registered.delete(key(namespace, layerId));
    },
    async announce(namespace, host, layerIds) {
      for (const layerId of layerIds) {
        presence.set(key(namespace, layerId), holdersOf(namespace, layerId).add(host));
      }
    },
    async withdraw(namespace, host, layerId) {
      holdersOf(namespace, layerId).delete(host);
    },
    async present(namespace, host, layerIds) {
      return new Set(layerIds.filter((layerId) => holdersOf(namespace, layerId).has(host)));
    },
    async holders(namespace, layerId) {
      return [...holdersOf(namespace, layerId)].sort();
    },
  };
}
