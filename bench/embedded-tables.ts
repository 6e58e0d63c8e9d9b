import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { HttpResponse } from '@smithy/protocol-http';
import { createDocumentClient } from '../adapters/aws/clients.ts';
import { createFingerprintIndex } from '../adapters/aws/fingerprint-index.ts';
import { openTable } from '../adapters/aws/table.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { systemRandom } from '../adapters/system/random.ts';
import { limits } from '../core/limits.ts';
import type { FingerprintIndex } from '../core/ports.ts';
import type { Clock } from '../localstack/clock.ts';
import { ensureTables, openDynamo } from '../localstack/dynamodb/dynamodb.ts';

const NAME = 'index';

export interface EmbeddedIndex {
  readonly index: FingerprintIndex;
  /** Writes rows past the index, which would look for each of them first. */
  fill(hooks: readonly string[], pack: string): Promise<void>;
  close(): Promise<void>;
}

/** The index on the embedded cloud's tables, in this process: no HTTP between them. */
export async function openEmbeddedIndex(dir: string): Promise<EmbeddedIndex> {
  const dynamo = await openDynamo({ dir, account: '000000000000', region: 'eu-central-1' });
  await ensureTables(dynamo, [TABLE], cloudClock);
  const handle = async (request: { headers: Record<string, string>; body: Uint8Array }) => {
    const operation = request.headers['x-amz-target']!.split('.')[1]!;
    const { status, body } = await dynamo.call(operation, JSON.parse(new TextDecoder().decode(request.body)));
    return { response: new HttpResponse({ statusCode: status, headers: {}, body: Buffer.from(JSON.stringify(body)) }) };
  };
  const client = new DynamoDBClient({
    region: 'eu-central-1',
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
    requestHandler: { handle } as never,
  });
  const retry = {
    clock: systemClock,
    random: systemRandom,
    attempts: limits.table_attempts_max,
    firstMs: 50,
    maxMs: 2000,
  };
  const index = createFingerprintIndex(openTable({ client: createDocumentClient(client), name: NAME, retry }));
  const fill = async (hooks: readonly string[], pack: string) => {
    for (let at = 0; at < hooks.length; at += limits.table_put_items_max) {
      const items = hooks.slice(at, at + limits.table_put_items_max);
      const requests = items.map((hook) => ({
        PutRequest: { Item: { pk: { S: `default#${hook}` }, pack: { S: pack } } },
      }));
      const { status } = await dynamo.call('BatchWriteItem', { RequestItems: { [NAME]: requests } });
      if (status !== 200) throw new Error(`the table answered ${status}`);
    }
  };
  return { index, fill, close: () => dynamo.close() };
}

/** Unlike the cloud's own, its waits keep the process alive. */
const cloudClock: Clock = {
  nowMs: () => Date.now(),
  schedule(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};

const TABLE = {
  TableName: NAME,
  KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
  AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
};
