import { BatchGetCommand, BatchWriteCommand } from '@aws-sdk/lib-dynamodb';
import pLimit from 'p-limit';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { final, retry } from '../retry.ts';
import type { Item, Key, TableOptions } from './table-options.ts';

/** Reads items by key, any number of them. Keys may repeat. Throws TABLE_BUSY. */
export async function getAll(table: TableOptions, keys: readonly Key[], consistent: boolean): Promise<Item[]> {
  const found: Item[] = [];
  await inBatches(table, unique(keys), limits.table_get_keys_max, async (batch) => {
    const RequestItems = { [table.name]: { Keys: batch, ConsistentRead: consistent } };
    const answer = await table.client.send(new BatchGetCommand({ RequestItems }));
    found.push(...(answer.Responses?.[table.name] ?? []));
    return (answer.UnprocessedKeys?.[table.name]?.Keys ?? []) as Key[];
  });
  return found;
}

/** Writes items, any number of them, over whatever is there. Throws TABLE_BUSY. */
export async function putAll(table: TableOptions, items: readonly Item[]): Promise<void> {
  await inBatches(table, items, limits.table_put_items_max, async (batch) => {
    const RequestItems = { [table.name]: batch.map((Item) => ({ PutRequest: { Item } })) };
    const answer = await table.client.send(new BatchWriteCommand({ RequestItems }));
    return (answer.UnprocessedItems?.[table.name] ?? []).map((request) => request.PutRequest!.Item as Item);
  });
}

/**
 * Sends `all` in batches and each batch until nothing is left of it. The SDK retries what failed; what it does not
 * know is that an answer may be partial, which `send` tells by giving back what was not processed.
 */
async function inBatches<T>(
  table: TableOptions,
  all: readonly T[],
  size: number,
  send: (batch: T[]) => Promise<T[]>,
): Promise<void> {
  const batches = Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
  await pLimit(limits.table_requests_in_flight).map(batches, async (batch) => {
    let left = batch;
    await retry(async () => {
      left = await send(left).catch((error) => {
        throw final(error);
      });
      if (left.length > 0) throw busy(table.name, left.length);
    }, table.retry);
  });
}

function unique(keys: readonly Key[]): Key[] {
  return [...new Map(keys.map((key) => [JSON.stringify(key), key])).values()];
}

function busy(table: string, left: number): LayerMoverError {
  return new LayerMoverError('TABLE_BUSY', `the table ${table} left ${left} items of a batch undone`, {
    hint: 'run it again; if it stays so, the table’s capacity is too small',
    data: { table, left },
  });
}
