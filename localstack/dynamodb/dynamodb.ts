import type { TableModel } from '../assembly/model.ts';
import { type Clock, delay } from '../clock.ts';
import { CloudError } from '../errors.ts';
import { create, type DynaliteError, operations, rememberTables, validations } from './dynalite.ts';

/** An answer of the DynamoDB API: its HTTP status and JSON. */
export interface DynamoAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface Dynamo {
  /** Runs an operation by name (`GetItem`) on its parsed input; errors are answers, too. */
  call(operation: string, input: unknown): Promise<DynamoAnswer>;
  close(): Promise<void>;
}

export interface DynamoOptions {
  readonly dir: string;
  readonly account: string;
  readonly region: string;
}

/**
 * Tables in a LevelDB under `dir`, served by dynalite's code. Transactions, TTL and streams are not emulated. LevelDB's
 * lock on its LOCK file ends with the process that holds it, however that ends.
 * @throws CloudError DATA_DIR_IN_USE, DATA_DIR_INVALID
 */
export async function openDynamo({ dir, account, region }: DynamoOptions): Promise<Dynamo> {
  const store = create({ path: dir, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
  store.tableDb.awsAccountId = account;
  store.tableDb.awsRegion = region;
  await store.db.open().catch((error: Error) => {
    throw unopened(dir, error);
  });
  rememberTables(store);

  return {
    async call(name, input) {
      const operation = operations.get(name);
      if (operation === undefined) return refusal('com.amazon.coral.service#UnknownOperationException', name);
      if (typeof input !== 'object' || input === null) {
        return refusal('com.amazon.coral.service#SerializationException', 'the request is not a JSON object');
      }
      const { act, validation } = operation;
      try {
        const data = validations.checkTypes(input, validation.types);
        validations.checkValidations(data, validation.types, validation.custom, store);
        return { status: 200, body: await new Promise((resolve, reject) => act(store, data, settle(resolve, reject))) };
      } catch (error) {
        if (isRefusal(error)) return { status: error.statusCode, body: error.body };
        const message = error instanceof Error ? error.message : String(error);
        return { status: 500, body: { __type: 'com.amazonaws.dynamodb.v20120810#InternalServerError', message } };
      }
    },
    close: () => new Promise((resolve) => store.db.close(() => resolve())),
  };
}

function unopened(dir: string, error: Error): CloudError {
  if ((error.cause as { code?: string } | undefined)?.code === 'LEVEL_LOCKED') {
    const hint = 'Stop the cloud that runs there, or give this one another data directory.';
    return new CloudError('DATA_DIR_IN_USE', `another cloud uses ${dir}`, hint, error);
  }
  return new CloudError(
    'DATA_DIR_INVALID',
    `cannot open the tables in ${dir}`,
    'Start with a fresh data directory.',
    error,
  );
}

function settle(resolve: (output: unknown) => void, reject: (error: unknown) => void) {
  return (error: unknown, output: unknown) => (error ? reject(error) : resolve(output));
}

function isRefusal(error: unknown): error is DynaliteError {
  return typeof (error as Partial<DynaliteError> | null)?.statusCode === 'number';
}

const refusal = (type: string, message: string): DynamoAnswer => ({ status: 400, body: { __type: type, message } });

const TABLE_POLL_MS = 5;

/**
 * Creates the tables that are missing and waits until all take requests.
 * @throws CloudError TABLE_CHANGED if a table of that name has other keys or indexes, TABLE_REFUSED
 */
export async function ensureTables(dynamo: Dynamo, tables: readonly TableModel[], clock: Clock): Promise<void> {
  for (const table of tables) {
    const found = await describe(dynamo, table.TableName);
    if (found === undefined) await createTable(dynamo, table);
    else if (shapeOf(found) !== shapeOf(table)) {
      const message = `table ${table.TableName} is there with other keys or indexes`;
      throw new CloudError('TABLE_CHANGED', message, 'Start with a fresh data directory.');
    }
    while ((await describe(dynamo, table.TableName))?.TableStatus !== 'ACTIVE') await delay(clock, TABLE_POLL_MS);
  }
}

type FoundTable = TableModel & { readonly TableStatus: string };

async function describe(dynamo: Dynamo, name: string): Promise<FoundTable | undefined> {
  const { status, body } = await dynamo.call('DescribeTable', { TableName: name });
  return status === 200 ? (body as { Table: FoundTable }).Table : undefined;
}

async function createTable(dynamo: Dynamo, table: TableModel): Promise<void> {
  const { status, body } = await dynamo.call('CreateTable', { ...table, BillingMode: 'PAY_PER_REQUEST' });
  if (status === 200) return;
  const message = `table ${table.TableName} was refused: ${JSON.stringify(body)}`;
  throw new CloudError('TABLE_REFUSED', message, 'Look at its keys and indexes in the template.');
}

/** What must not change under existing rows. */
function shapeOf(table: TableModel): string {
  const indexes = [...(table.GlobalSecondaryIndexes ?? []), ...(table.LocalSecondaryIndexes ?? [])];
  const keys = [table, ...indexes].map(({ KeySchema, ...rest }) => {
    const name = 'IndexName' in rest ? String(rest.IndexName) : '';
    return `${name}:${KeySchema.map((k) => `${k.AttributeName}/${k.KeyType}`).join(',')}`;
  });
  const types = table.AttributeDefinitions.map((a) => `${a.AttributeName}/${a.AttributeType}`);
  return [...keys.sort(), ...types.sort()].join(' ');
}
