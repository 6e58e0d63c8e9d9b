import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import {
  DeleteCommand,
  GetCommand,
  PutCommand,
  QueryCommand,
  ScanCommand,
  type ScanCommandOutput,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { assignment, type Expression, placeholders } from './expression.ts';
import { getAll, putAll } from './partial-batches.ts';
import type { Item, Key, TableOptions } from './table-options.ts';

export interface TableQuery {
  readonly where: Expression;
  readonly index?: string;
  readonly limit?: number;
  /** The keys of the last item seen. */
  readonly after?: Key | undefined;
  readonly descending?: boolean;
}

/** One table. A conditional write answers whether its condition held. Reads are consistent unless said otherwise. */
export interface Table {
  get(key: Key): Promise<Item | undefined>;
  put(item: Item, condition?: Expression): Promise<boolean>;
  update(key: Key, change: Item, condition: Expression): Promise<boolean>;
  remove(key: Key, condition?: Expression): Promise<boolean>;
  query(query: TableQuery): Promise<Item[]>;
  /** The items that exist, in any order. */
  getMany(keys: readonly Key[], read?: { consistent: boolean }): Promise<Item[]>;
  putMany(items: readonly Item[]): Promise<void>;
  /** Every item in one of `parts` parts of the table, in any order. */
  scan(part: number, parts: number): AsyncIterable<Item>;
}

export function openTable({ client, name, retry }: TableOptions): Table {
  const TableName = name;
  return {
    async get(Key) {
      const { Item } = await client.send(new GetCommand({ TableName, Key, ConsistentRead: true }));
      return Item;
    },
    put: (Item, where) => held(client.send(new PutCommand({ TableName, Item, ...conditionOf(where) }))),
    remove: (Key, where) => held(client.send(new DeleteCommand({ TableName, Key, ...conditionOf(where) }))),
    update(Key, change, where) {
      const set = assignment(change);
      const expressions = { UpdateExpression: set.text, ConditionExpression: where.text, ...placeholders(set, where) };
      return held(client.send(new UpdateCommand({ TableName, Key, ...expressions })));
    },
    async query({ where, index, limit = Number.POSITIVE_INFINITY, after, descending = false }) {
      const found: Item[] = [];
      let ExclusiveStartKey: Item | undefined = after;
      do {
        const page = await client.send(
          new QueryCommand({
            TableName,
            KeyConditionExpression: where.text,
            ...placeholders(where),
            ...(index === undefined ? { ConsistentRead: true } : { IndexName: index }),
            ...(Number.isFinite(limit) && { Limit: limit - found.length }),
            ScanIndexForward: !descending,
            ExclusiveStartKey,
          }),
        );
        found.push(...(page.Items ?? []));
        ExclusiveStartKey = page.LastEvaluatedKey;
      } while (ExclusiveStartKey !== undefined && found.length < limit);
      return found;
    },
    getMany: (keys, { consistent } = { consistent: true }) => getAll({ client, name, retry }, keys, consistent),
    putMany: (items) => putAll({ client, name, retry }, items),
    async *scan(Segment, TotalSegments) {
      let ExclusiveStartKey: Item | undefined;
      do {
        const page: ScanCommandOutput = await client.send(
          new ScanCommand({ TableName, Segment, TotalSegments, ConsistentRead: true, ExclusiveStartKey }),
        );
        yield* page.Items ?? [];
        ExclusiveStartKey = page.LastEvaluatedKey;
      } while (ExclusiveStartKey !== undefined);
    },
  };
}

function conditionOf(where?: Expression) {
  return where === undefined ? {} : { ConditionExpression: where.text, ...placeholders(where) };
}

async function held(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}
