import { CloudFormationClient, DescribeStackResourcesCommand } from '@aws-sdk/client-cloudformation';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDocumentClient, createS3Client } from '../../adapters/aws/clients.ts';
import { createObjectJanitor } from '../../adapters/aws/object-janitor.ts';
import { openTable } from '../../adapters/aws/table.ts';
import { type TableSpec, tables } from '../../adapters/aws/tables.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import type { CloudFile } from '../../bin/connection.ts';
import { REQUESTS_PREFIX } from '../../core/api/events.ts';
import { namespaceScope } from '../../core/format/keys.ts';
import { stopListening } from './observe-queues.ts';

const RETRY = { clock: systemClock, random: systemRandom, attempts: 8, firstMs: 50, maxMs: 2000 };
const PAGE = 1000;

interface Place {
  readonly bucket: string;
  /** Names by id. */
  readonly tables: ReadonlyMap<string, string>;
}

/**
 * Removes what tests left in a deployed stack: all of the namespaces whose names begin so, and how its bus was listened to. It
 * reads every table twice.
 */
export async function removeLeftovers(stack: string, prefix: string, cloud: CloudFile, region?: string) {
  const config = region === undefined ? {} : { region };
  const place = await find(stack, config);
  await stopListening(cloud, prefix);
  const objects = await removeObjects(place.bucket, prefix, config);
  const client = new DynamoDBClient(config);
  let items = 0;
  for (const [id, name] of place.tables) items += await removeItems(createDocumentClient(client), id, name, prefix);
  client.destroy();
  return { objects, items };
}

async function find(stack: string, config: { readonly region?: string }): Promise<Place> {
  const client = new CloudFormationClient(config);
  const { StackResources = [] } = await client.send(new DescribeStackResourcesCommand({ StackName: stack }));
  client.destroy();
  const of = (type: string) => StackResources.filter(({ ResourceType }) => ResourceType === type);
  const ids = Object.keys(tables);
  const named = of('AWS::DynamoDB::Table').map(({ LogicalResourceId, PhysicalResourceId }) => {
    const id = ids.find((each) => LogicalResourceId!.toLowerCase().includes(`${each}table`));
    if (id === undefined) throw new Error(`${LogicalResourceId} is no table of LayerMover`);
    return [id, PhysicalResourceId!] as const;
  });
  return { bucket: of('AWS::S3::Bucket')[0]!.PhysicalResourceId!, tables: new Map(named) };
}

async function removeObjects(bucket: string, prefix: string, config: { readonly region?: string }): Promise<number> {
  const client = createS3Client(config);
  const janitor = createObjectJanitor({ client, bucket, retry: RETRY });
  let removed = 0;
  for (const start of [namespaceScope(prefix), `${REQUESTS_PREFIX}${prefix}`]) {
    for (let keys = await janitor.list(start, PAGE); keys.length > 0; keys = await janitor.list(start, PAGE)) {
      await janitor.remove(keys);
      removed += keys.length;
    }
  }
  client.destroy();
  return removed;
}

/** Parts of a migration name no namespace: they go by the key of the record, which does. */
async function removeItems(
  client: ReturnType<typeof createDocumentClient>,
  id: string,
  name: string,
  prefix: string,
): Promise<number> {
  const { partitionKey, sortKey }: TableSpec = tables[id as keyof typeof tables];
  const table = openTable({ client, name, retry: RETRY });
  const begins = (text: unknown) =>
    String(text)
      .split('#')
      .some((part) => part.startsWith(prefix));
  const ours = new Set<unknown>();
  for await (const item of table.scan(0, 1))
    if (begins(item[partitionKey]) || begins(item.namespace)) ours.add(item[partitionKey]);
  let removed = 0;
  for await (const item of table.scan(0, 1)) {
    if (!ours.has(item[partitionKey])) continue;
    const names = [partitionKey, sortKey].filter((name) => name !== undefined);
    await table.remove(Object.fromEntries(names.map((name) => [name, String(item[name])])));
    removed += 1;
  }
  return removed;
}
