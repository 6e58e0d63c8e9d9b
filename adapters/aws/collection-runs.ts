import type { CollectionRuns } from '../../core/ports.ts';
import { collectionItem, readItem } from './items.ts';
import type { Table } from './table.ts';
import type { Key } from './table-options.ts';

/** The last garbage collection of each namespace, in the `layers` table. */
export function createCollectionRuns(table: Table): CollectionRuns {
  return {
    async find(namespace) {
      const item = await table.get(keyOf(namespace));
      return item && readItem(collectionItem, item);
    },
    async replace(seen, run) {
      const asSeen =
        seen === undefined
          ? { text: 'attribute_not_exists(#pk)' }
          : { text: '#id = :id AND #page = :page', values: { id: seen.id, page: seen.page } };
      if (await table.put({ ...run, ...keyOf(run.namespace) }, asSeen)) return true;
      // An answer that was lost is asked for again.
      const { id, page, updatedMs } = (await table.get(keyOf(run.namespace))) ?? {};
      return id === run.id && page === run.page && updatedMs === run.updatedMs;
    },
  };
}

/** Beside the layers of the namespace, which their list must not meet. */
function keyOf(namespace: string): Key {
  return { pk: `collection#${namespace}`, sk: 'last' };
}
