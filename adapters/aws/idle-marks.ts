import { limits } from '../../core/limits.ts';
import type { IdleMark, IdleMarks, MarkedKind } from '../../core/ports.ts';
import type { Expression } from './expression.ts';
import { idleItem, readItem } from './items.ts';
import type { Table } from './table.ts';
import type { Key } from './table-options.ts';

/** Marks of objects that nothing needs, in the `index` table. */
export function createIdleMarks(table: Table): IdleMarks {
  return {
    async find(namespace, kind, ids) {
      const items = await table.getMany(ids.map((id) => keyOf(namespace, kind, id)));
      const marks = items.map((item) => readItem(idleItem, item));
      return new Map(marks.map(({ idle, sinceMs, removedMs }) => [idle, { sinceMs, removedMs }]));
    },
    async mark(namespace, kind, id, sinceMs) {
      const item = { ...keyOf(namespace, kind, id), idle: id, sinceMs };
      await table.put(item, { text: 'attribute_not_exists(#pk)' });
    },
    clear(namespace, kind, id, seen) {
      const { text, values } = asSeen(seen);
      return table.remove(keyOf(namespace, kind, id), {
        text: `attribute_not_exists(#pk) OR (${text})`,
        values: values ?? {},
      });
    },
    async remove(namespace, kind, id, seen, atMs) {
      const expires_s = Math.ceil(atMs / 1000) + limits.removal_kept_seconds;
      const { text, values } = asSeen(seen);
      return table.update(
        keyOf(namespace, kind, id),
        { removedMs: atMs, expires_s },
        // An answer that was lost is asked for again.
        { text: `(${text}) OR (#sinceMs = :since AND #removedMs = :now)`, values: { ...values, now: atMs } },
      );
    },
  };
}

function asSeen({ sinceMs, removedMs }: IdleMark): Expression {
  return removedMs === undefined
    ? { text: '#sinceMs = :since AND attribute_not_exists(#removedMs)', values: { since: sinceMs } }
    : { text: '#sinceMs = :since AND #removedMs = :removed', values: { since: sinceMs, removed: removedMs } };
}

function keyOf(namespace: string, kind: MarkedKind, id: string): Key {
  return { pk: `idle#${namespace}#${kind}#${id}` };
}
