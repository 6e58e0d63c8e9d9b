import type { MigrationStore } from '../../core/ports.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { migrationUnknown, vmUnknown } from '../rules/refusals.ts';
import { migrationItem, readItem, roundItem, streamItem, vmItem } from './items.ts';
import type { Table, TableQuery } from './table.ts';
import type { Item, Key } from './table-options.ts';

const IS_NEW = { text: 'attribute_not_exists(#pk)' };

/** Migrations with their VMs, streams and rounds in the `migrations` table: all parts of one share its partition. */
export function createMigrationStore(table: Table): MigrationStore {
  async function find(id: string): Promise<MigrationRecord | undefined> {
    const item = await table.get(recordKey(id));
    return item && readItem(migrationItem, item);
  }

  function parts(id: string, prefix: string, page: Omit<TableQuery, 'where' | 'index'> = {}): Promise<Item[]> {
    const where = { text: '#pk = :pk AND begins_with(#sk, :prefix)', values: { pk: id, prefix } };
    return table.query({ where, ...page });
  }

  return {
    find,
    async create(migration) {
      // What is in no list has no place in it: the index takes items with its keys only.
      const listed = migration.registration === undefined ? { listed_at: listedAt(migration) } : {};
      const item = { ...migration, ...recordKey(migration.id), ...listed };
      if (await table.put(item, IS_NEW)) return migration;
      return (await find(migration.id)) ?? migration;
    },
    async list(namespace, limit, after) {
      const last = after === undefined ? undefined : await find(after);
      if (after !== undefined && last?.namespace !== namespace) throw migrationUnknown(after);
      const keys = await table.query({
        index: 'by_namespace',
        where: { text: '#namespace = :namespace', values: { namespace } },
        limit,
        after: last && { ...recordKey(last.id), namespace, listed_at: listedAt(last) },
        descending: true,
      });
      const items = await table.getMany(keys.map(({ pk }) => recordKey(String(pk))));
      return items.map((item) => readItem(migrationItem, item)).sort((a, b) => (listedAt(a) < listedAt(b) ? 1 : -1));
    },
    async update({ id, run }, from, change) {
      const names = from.map((_, i) => `:from_${i}`);
      const states = Object.fromEntries(from.map((state, i) => [`from_${i}`, state]));
      const text = `#run = :in_run AND #state IN (${names.join(', ')})`;
      return table.update(recordKey(id), change, { text, values: { in_run: run, ...states } });
    },
    async putVm(id, vm) {
      await table.put({ ...vm, pk: id, sk: `vm#${vm.name}` });
    },
    async updateVm(id, { name, run }, change) {
      const where = { text: '#run = :in_run', values: { in_run: run } };
      if (!(await table.update({ pk: id, sk: `vm#${name}` }, change, where))) throw vmUnknown(id, name, run);
    },
    async startVm(id, { name, run }) {
      const text = '#run = :in_run AND #state = :from';
      const where = { text, values: { in_run: run, from: 'waiting' } };
      await table.update({ pk: id, sk: `vm#${name}` }, { state: 'moving' }, where);
    },
    async vms(id) {
      const items = await parts(id, 'vm#');
      return items.map((item) => readItem(vmItem, item));
    },
    async putStream(id, stream) {
      await table.put({ ...stream, pk: id, sk: `stream#${stream.stream}#${stream.side}` });
    },
    async streams(id) {
      const items = await parts(id, 'stream#');
      return items.map((item) => readItem(streamItem, item));
    },
    async appendRound(id, round) {
      await table.put({ ...round, pk: id, sk: `round#${round.stream}#${round.cursor}` }, IS_NEW);
    },
    async rounds(id, stream, limit, after) {
      const prefix = `round#${stream}#`;
      const items = await parts(id, prefix, {
        limit,
        after: after === undefined ? undefined : { pk: id, sk: prefix + after },
      });
      return items.map((item) => readItem(roundItem, item));
    },
    async lastRound(id, stream) {
      const [item] = await parts(id, `round#${stream}#`, { limit: 1, descending: true });
      return item && readItem(roundItem, item);
    },
  };
}

function recordKey(id: string): Key {
  return { pk: id, sk: 'record' };
}

/** Sorts by time of creation, then by id. */
function listedAt({ createdMs, id }: MigrationRecord): string {
  return `${String(createdMs).padStart(15, '0')}#${id}`;
}
