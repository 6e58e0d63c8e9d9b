import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { DescribeExecutionCommand, SFNClient } from '@aws-sdk/client-sfn';
import { DynamoDBDocumentClient, ScanCommand } from '@aws-sdk/lib-dynamodb';
import type { World } from './world.ts';

type Item = Readonly<Record<string, unknown>>;

/** Folders of an agent's state that hold what is under way and nothing else: empty once all is done. */
const UNDER_WAY = ['arrivals', 'brought', 'journal'];

/** All items of the embedded cloud's tables, whichever table they are in. */
export async function itemsOf(world: World): Promise<Item[]> {
  const client = new DynamoDBClient(sdkOptions(world));
  const documents = DynamoDBDocumentClient.from(client);
  try {
    const { TableNames = [] } = await client.send(new ListTablesCommand());
    const scans = await Promise.all(TableNames.map((TableName) => documents.send(new ScanCommand({ TableName }))));
    return scans.flatMap(({ Items = [] }) => Items);
  } finally {
    client.destroy();
  }
}

/** What a migration that has ended has left behind, in words; nothing if all is well. */
export async function remainsOf(world: World): Promise<string[]> {
  const found = await Promise.all([
    ...['a', 'b'].flatMap((site) => [partials(world.imagesOf(site)), underWay(world.imagesOf(site))]),
    objects(world),
    rows(world),
    executions(world),
  ]);
  return found.flat();
}

async function partials(images: string): Promise<string[]> {
  const names = await readdir(images);
  return names.filter((name) => name.endsWith('.partial')).map((name) => `${images}/${name}`);
}

async function underWay(images: string): Promise<string[]> {
  const state = path.join(images, '.layermover');
  const drafts = (await below(state)).filter((name) => /draft-|\.tmp$/.test(name));
  const records = await Promise.all(UNDER_WAY.map((folder) => below(path.join(state, folder))));
  return [...drafts, ...records.flat()];
}

/** Objects of migrations' own scopes, and bodies that were never published. */
async function objects(world: World): Promise<string[]> {
  const files = await below(world.dataFile('objects'));
  return files.filter((file) => /\/staging\/|\/migrations\.d\//.test(file));
}

/** Leases, claims of batches, open tasks. */
async function rows(world: World): Promise<string[]> {
  const items = await itemsOf(world);
  const left = items.filter(
    (item) => item.lease !== undefined || String(item.pk).startsWith('claim#') || item.open_for !== undefined,
  );
  return left.map((item) => `row ${JSON.stringify(item).slice(0, 200)}`);
}

async function executions(world: World): Promise<string[]> {
  const client = new SFNClient(sdkOptions(world));
  try {
    const journals = (await below(world.dataFile('executions'))).filter((file) => file.endsWith('.jsonl'));
    const open: string[] = [];
    for (const journal of journals) {
      const { machineArn, name } = JSON.parse((await readFile(journal, 'utf8')).split('\n')[0]!) as Record<
        string,
        string
      >;
      const executionArn = `${machineArn!.replace(':stateMachine:', ':execution:')}:${name}`;
      const { status } = await client.send(new DescribeExecutionCommand({ executionArn }));
      if (status === 'RUNNING') open.push(`execution ${name} runs`);
    }
    return open;
  } finally {
    client.destroy();
  }
}

/** Files below a folder; none if it is not there. */
async function below(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error) => {
    // A folder in it went while it was being listed, as what is left over does.
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (entries === undefined) return below(folder);
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

function sdkOptions({ operator }: World) {
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey } = operator.credentials!;
  const endpoint = new URL(operator.api_url).origin;
  return { endpoint, region: operator.region, credentials: { accessKeyId, secretAccessKey } };
}
