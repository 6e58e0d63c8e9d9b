import { limits } from '../../core/limits.ts';
import type { Claim, FingerprintIndex } from '../../core/ports.ts';
import { contention } from '../rules/refusals.ts';
import { claimItem, readItem, rowItem } from './items.ts';
import type { Item, Table } from './table.ts';

/** Index rows and claims in the `index` table (docs/FORMAT.md, index rows). */
export function createFingerprintIndex(table: Table): FingerprintIndex {
  async function lookup(namespace: string, hooks: readonly string[]): Promise<Map<string, string>> {
    // A row that a replica does not show yet costs a second copy at most: half the price of a consistent read is worth it.
    const items = await table.getMany(
      hooks.map((hook) => ({ pk: `${namespace}#${hook}` })),
      { consistent: false },
    );
    const rows = items.map((item) => readItem(rowItem, item));
    return new Map(rows.map(({ pk, pack }) => [pk.slice(namespace.length + 1), pack]));
  }

  return {
    lookup,
    /** A row that appears between look-up and write is overwritten: either pack holds the chunk. */
    async add(namespace, hooks, pack) {
      const known = await lookup(namespace, hooks);
      const missing = new Set(hooks.filter((hook) => !known.has(hook)));
      await table.putMany([...missing].map((hook) => ({ pk: `${namespace}#${hook}`, pack })));
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
  };
}

function claimToItem(pk: string, { owner, untilMs }: Claim): Item {
  return { pk, owner, untilMs, expires_s: Math.ceil(untilMs / 1000) };
}
