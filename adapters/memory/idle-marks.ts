import type { IdleMark, IdleMarks, MarkedKind } from '../../core/ports.ts';

/** Marks of objects that nothing needs, in memory. They do not expire. */
export function createMemoryIdleMarks(): IdleMarks {
  const marks = new Map<string, IdleMark>();
  const keyOf = (namespace: string, kind: MarkedKind, id: string) => `${namespace}#${kind}#${id}`;

  return {
    async find(namespace, kind, ids) {
      const found = ids.map((id) => [id, marks.get(keyOf(namespace, kind, id))] as const);
      return new Map(found.filter((each): each is [string, IdleMark] => each[1] !== undefined));
    },
    async mark(namespace, kind, id, sinceMs) {
      const key = keyOf(namespace, kind, id);
      if (!marks.has(key)) marks.set(key, { sinceMs });
    },
    async clear(namespace, kind, id, seen) {
      const key = keyOf(namespace, kind, id);
      const known = marks.get(key);
      if (known !== undefined && !isSame(known, seen)) return false;
      marks.delete(key);
      return true;
    },
    async remove(namespace, kind, id, seen, atMs) {
      const key = keyOf(namespace, kind, id);
      const known = marks.get(key);
      const next = { sinceMs: seen.sinceMs, removedMs: atMs };
      if (known === undefined || !(isSame(known, seen) || isSame(known, next))) return false;
      marks.set(key, next);
      return true;
    },
  };
}

function isSame(a: IdleMark, b: IdleMark): boolean {
  return a.sinceMs === b.sinceMs && a.removedMs === b.removedMs;
}
