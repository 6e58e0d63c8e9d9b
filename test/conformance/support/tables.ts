import { once } from 'node:events';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { CreateTableCommand, type CreateTableCommandInput, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type TableId, type TableNames, type TableSpec, tables } from '../../../adapters/aws/tables.ts';

// dynalite brings no types.
const dynalite = createRequire(import.meta.url)('dynalite') as (options: { createTableMs: number }) => Server;

export interface Tables {
  readonly names: TableNames;
  /** A client of its own connections. */
  connect(): DynamoDBClient;
  close(): Promise<void>;
}

/** DynamoDB over HTTP in this process, with the product's tables made from their data. */
export async function startTables(): Promise<Tables> {
  const server = dynalite({ createTableMs: 0 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const clients: DynamoDBClient[] = [];
  const connect = () => {
    const client = new DynamoDBClient({ endpoint, region: 'eu-central-1', credentials });
    clients.push(client);
    return client;
  };
  const ids = Object.keys(tables) as TableId[];
  const names = Object.fromEntries(ids.map((id) => [id, `test-${id}`])) as TableNames;
  for (const id of ids) await connect().send(new CreateTableCommand(definition(names[id], tables[id])));
  return {
    names,
    connect,
    async close() {
      for (const client of clients) client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function definition(TableName: string, { partitionKey, sortKey, indexes }: TableSpec): CreateTableCommandInput {
  const keys = (hash: string, range?: string) => [
    { AttributeName: hash, KeyType: 'HASH' as const },
    ...(range === undefined ? [] : [{ AttributeName: range, KeyType: 'RANGE' as const }]),
  ];
  const secondary = Object.entries(indexes).map(([IndexName, index]) => ({
    IndexName,
    KeySchema: keys(index.partitionKey, index.sortKey),
    Projection: { ProjectionType: 'KEYS_ONLY' as const },
  }));
  const attributes = new Set(
    [keys(partitionKey, sortKey), ...secondary.map((index) => index.KeySchema)].flat().map((key) => key.AttributeName),
  );
  return {
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: keys(partitionKey, sortKey),
    AttributeDefinitions: [...attributes].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
    ...(secondary.length > 0 && { GlobalSecondaryIndexes: secondary }),
  };
}
