import * as z from 'zod';
import type { HostRef } from '../../core/api/names.ts';
import { hostRef } from '../../core/api/names.ts';
import type { LayerCatalog } from '../../core/ports.ts';
import type { LayerRecord } from '../../core/records.ts';
import { layerItem, readItem } from './items.ts';
import type { Table } from './table.ts';
import type { Key } from './table-options.ts';

const presenceItem = z.object({ layer: z.string(), sk: hostRef });
const removalItem = z.object({ atMs: z.number() });

/** Layers and the hosts that hold them, in the `layers` table. */
export function createLayerCatalog(table: Table): LayerCatalog {
  async function page(pk: string, limit: number, after?: string): Promise<LayerRecord[]> {
    const items = await table.query({
      where: { text: '#pk = :pk', values: { pk } },
      limit,
      after: after === undefined ? undefined : { pk, sk: after },
    });
    return items.map((item) => readItem(layerItem, item));
  }

  return {
    async record(namespace, layer) {
      await table.put({ ...layer, pk: namespace, sk: layer.layerId }, { text: 'attribute_not_exists(#pk)' });
    },
    async erase(namespace, layerId) {
      await table.remove({ pk: namespace, sk: layerId });
    },
    use(namespace, layerId, atMs) {
      return table.update({ pk: namespace, sk: layerId }, { usedMs: atMs }, { text: 'attribute_exists(#pk)' });
    },
    retire(namespace, { layerId, recordedMs, usedMs }) {
      const since = usedMs === undefined ? 'attribute_not_exists(#usedMs)' : '#usedMs = :used';
      const values = { recorded: recordedMs, ...(usedMs === undefined ? {} : { used: usedMs }) };
      return table.remove({ pk: namespace, sk: layerId }, { text: `#recordedMs = :recorded AND ${since}`, values });
    },
    async noteRemoval(namespace, atMs) {
      await table.put({ ...removalKey(namespace), atMs });
    },
    async removedMs(namespace) {
      const item = await table.get(removalKey(namespace));
      return item === undefined ? Number.NEGATIVE_INFINITY : readItem(removalItem, item).atMs;
    },
    async find(namespace, layerId) {
      const item = await table.get({ pk: namespace, sk: layerId });
      return item && readItem(layerItem, item);
    },
    list: (namespace, limit, after) => page(namespace, limit, after),
    async register(namespace, layer) {
      await table.put({ ...layer, ...registeredKey(namespace, layer.layerId) });
    },
    registered: (namespace, limit, after) => page(registeredKey(namespace, '').pk, limit, after),
    async findRegistered(namespace, layerId) {
      const item = await table.get(registeredKey(namespace, layerId));
      return item && readItem(layerItem, item);
    },
    async unregister(namespace, layerId) {
      await table.remove(registeredKey(namespace, layerId));
    },
    async announce(namespace, host, layerIds) {
      const layers = [...new Set(layerIds)];
      await table.putMany(layers.map((layer) => ({ ...presenceKey(namespace, layer, host), layer })));
    },
    async withdraw(namespace, host, layerId) {
      await table.remove(presenceKey(namespace, layerId, host));
    },
    async present(namespace, host, layerIds) {
      const items = await table.getMany(layerIds.map((layer) => presenceKey(namespace, layer, host)));
      return new Set(items.map((item) => readItem(presenceItem, item).layer));
    },
    async holders(namespace, layerId) {
      const items = await table.query({ where: { text: '#pk = :pk', values: { pk: `${namespace}#${layerId}` } } });
      return items.map((item) => readItem(presenceItem, item).sk);
    },
  };
}

function registeredKey(namespace: string, layerId: string): Key & { pk: string } {
  return { pk: `registered#${namespace}`, sk: layerId };
}

/** Beside the layers of the namespace, which their list must not meet. */
function removalKey(namespace: string): Key {
  return { pk: `removed#${namespace}`, sk: 'last' };
}

function presenceKey(namespace: string, layerId: string, host: HostRef): Key {
  return { pk: `${namespace}#${layerId}`, sk: host };
}
