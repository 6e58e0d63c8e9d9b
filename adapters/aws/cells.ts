import type * as z from 'zod';
import { limits } from '../../core/limits.ts';
import { contention } from '../rules/refusals.ts';
import type { Step } from '../rules/step.ts';
import { readItem } from './items.ts';
import type { Table } from './table.ts';
import type { Item, Key } from './table-options.ts';

export interface Cells<Record> {
  read(key: Key): Promise<Record | undefined>;
  /** Reads a record, decides, and stores on condition that nobody changed it between; if somebody did, once more. Throws CONTENTION. */
  step<Answer>(key: Key, decide: (known: Record | undefined) => Step<Record, Answer>): Promise<Answer>;
}

/**
 * Records changed only as a whole, by compare-and-swap on a revision that each write counts up. A write whose answer was lost
 * finds its own record when it is repeated, so the decisions must take "done already" for an answer.
 */
export function openCells<Record extends object>(
  table: Table,
  schema: z.ZodType<Record>,
  toItem: (record: Record) => Item,
): Cells<Record> {
  return {
    async read(key) {
      const item = await table.get(key);
      return item && readItem(schema, item);
    },
    async step(key, decide) {
      for (let contest = 0; contest < limits.table_contenders_max; contest += 1) {
        const item = await table.get(key);
        const revision = Number(item?.revision ?? 0);
        const { answer, next } = decide(item && readItem(schema, item));
        if (next === undefined) return answer;
        const unchanged = item
          ? { text: '#revision = :revision', values: { revision } }
          : { text: 'attribute_not_exists(#pk)' };
        if (await table.put({ ...toItem(next), ...key, revision: revision + 1 }, unchanged)) return answer;
      }
      throw contention(Object.values(key).join(' '));
    },
  };
}
