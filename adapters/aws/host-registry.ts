import type { HostRegistry } from '../../core/ports.ts';
import { boundHost } from '../rules/bound-host.ts';
import { hostTaken, identityBound } from '../rules/refusals.ts';
import { hostItem, identityItem, readItem } from './items.ts';
import type { Table } from './table.ts';

/** Enrolled hosts, and the identities that are bound to them, in the `hosts` table. */
export function createHostRegistry(table: Table): HostRegistry {
  async function boundTo(identity: string): Promise<string | undefined> {
    const item = await table.get(keyOf(identity));
    return item && readItem(identityItem, item).namespace;
  }

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
    async bind(namespace, ref, identity) {
      // First the identity: a crash in between leaves it with fewer rights, never with more.
      const isFree = { text: 'attribute_not_exists(#pk) OR #namespace = :namespace', values: { namespace } };
      if (!(await table.put({ ...keyOf(identity), namespace }, isFree)))
        throw identityBound(identity, (await boundTo(identity)) ?? '');
      const isAnothers = { text: 'attribute_not_exists(#pk) OR #caller <> :caller', values: { caller: identity } };
      await table.put({ ...boundHost(ref, identity), pk: namespace, sk: ref }, isAnothers);
    },
    boundTo,
  };
}

/** No namespace has such a name. */
function keyOf(identity: string) {
  return { pk: `identity#${identity}`, sk: 'namespace' };
}
