import type { HostRegistry } from '../../core/ports.ts';
import { hostTaken } from '../rules/refusals.ts';
import { hostItem, readItem } from './items.ts';
import type { Table } from './table.ts';

/** Enrolled hosts in the `hosts` table. */
export function createHostRegistry(table: Table): HostRegistry {
  return {
    async enrol(namespace, host) {
      const isOurs = { text: 'attribute_not_exists(#pk) OR #caller = :caller', values: { caller: host.caller } };
      if (!(await table.put({ ...host, pk: namespace, sk: host.ref }, isOurs))) throw hostTaken(host.ref);
    },
    async find(namespace, ref) {
      const item = await table.get({ pk: namespace, sk: ref });
      return item && readItem(hostItem, item);
    },
    async list(namespace) {
      const items = await table.query({ where: { text: '#pk = :pk', values: { pk: namespace } } });
      return items.map((item) => readItem(hostItem, item));
    },
  };
}
