import pLimit from 'p-limit';
import { digest } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';
import type { Claim, FingerprintIndex } from '../../core/ports.ts';
import { contention } from '../rules/refusals.ts';
import { claimItem, condemnedItem, readItem, rowItem } from './items.ts';
import type { Table } from './table.ts';
import type { Item, Key } from './table-options.ts';

/** Index rows and claims in the `index` table (docs/FORMAT.md, index rows). */
export function createFingerprintIndex(table: Table): FingerprintIndex {
  async function lookup(namespace: string, hooks: readonly string[], consistent = false): Promise<Map<string, string>> {
    // A row that a replica does not show yet costs a second copy at most: half the price of a consistent read is worth it.
    const items = await table.getMany(
      hooks.map((hook) => ({ pk: `${namespace}#${hook}` })),
      { consistent },
    );
    const rows = items.map((item) => readItem(rowItem, item));
    return new Map(rows.map(({ pk, pack }) => [pk.slice(namespace.length + 1), pack]));
  }

  return {
    lookup: (namespace, hooks) => lookup(namespace, hooks),
    /** A row that appears between look-up and write is overwritten: either pack holds the chunk. */
    async add(namespace, hooks, pack) {
      const known = await lookup(namespace, hooks);
      const missing = new Set(hooks.filter((hook) => !known.has(hook)));
      await table.putMany([...missing].map((hook) => ({ pk: `${namespace}#${hook}`, pack })));
      return missing.size;
    },
    async claim(namespace, batch, wanted, nowMs) {
      const pk = `claim#${namespace}#${batch}`;
      const isFree = {
        text: 'attribute_not_exists(#pk) OR #owner = :owner OR #untilMs <= :now',
        values: { owner: wanted.owner, now: nowMs },
      };
      for (let contest = 0; contest < limits.table_contenders_max; contest += 1) {
        if (await table.put(claimToItem(pk, wanted), isFree)) return wanted;
        const standing = await table.get({ pk });
        if (standing !== undefined) return readItem(claimItem, standing);
      }
      throw contention(pk);
    },
    async release(namespace, batch, owner) {
      await table.remove({ pk: `claim#${namespace}#${batch}` }, { text: '#owner = :owner', values: { owner } });
    },
    async rows(namespace, part, parts) {
      const found = new Map<string, string>();
      for await (const item of table.scan(part, parts)) {
        const hook = hookOf(namespace, String(item.pk));
        if (hook !== undefined) found.set(hook, readItem(rowItem, item).pack);
      }
      return found;
    },
    async remove(namespace, hooks, pack) {
      const named = [...(await lookup(namespace, hooks, true))].filter(([, each]) => each === pack);
      const itself = { text: '#pack = :pack', values: { pack } };
      const removed = await pLimit(limits.table_requests_in_flight).map(named, ([hook]) =>
        table.remove({ pk: `${namespace}#${hook}` }, itself),
      );
      return removed.filter((held) => held).length;
    },
    async condemn(namespace, pack) {
      await table.put({ ...condemnedKey(namespace, pack), condemned: pack });
    },
    async condemned(namespace, packs) {
      const items = await table.getMany(packs.map((pack) => condemnedKey(namespace, pack)));
      return new Set(items.map((item) => readItem(condemnedItem, item).condemned));
    },
    async acquit(namespace, pack) {
      await table.remove(condemnedKey(namespace, pack));
    },
  };
}

/** The hook of a row's key; undefined for a row of another namespace and for what is no row. */
function hookOf(namespace: string, pk: string): string | undefined {
  const hook = pk.slice(namespace.length + 1);
  return pk === `${namespace}#${hook}` && digest.safeParse(hook).success ? hook : undefined;
}

function condemnedKey(namespace: string, pack: string): Key {
  return { pk: `condemned#${namespace}#${pack}` };
}

function claimToItem(pk: string, { owner, untilMs }: Claim): Item {
  return { pk, owner, untilMs, expires_s: Math.ceil(untilMs / 1000) };
}
