import { createRequire } from 'node:module';

// dynalite has no types and its HTTP server throws what a database error brings, which would end the cloud. So its
// parts are used as its server uses them: validate, act, answer by callback.

/** What dynalite throws or passes back for a refused call. */
export interface DynaliteError {
  readonly statusCode: number;
  readonly body: unknown;
}

type TableFound = (error: unknown, table?: { readonly TableStatus: string }) => void;
/** `checkStatus`: false if a table may be on its way; it can be left out. */
type GetTable = (name: string, ...how: [checkStatus: boolean, done: TableFound] | [done: TableFound]) => void;

export interface DynaliteStore {
  readonly db: { close(done: (error?: unknown) => void): void; open(): Promise<void> };
  readonly tableDb: { awsAccountId: string; awsRegion: string };
  getTable: GetTable;
}

type Action = (store: DynaliteStore, input: unknown, done: (error: unknown, output: unknown) => void) => void;

interface Validation {
  readonly types: unknown;
  readonly custom: unknown;
}

interface Validations {
  checkTypes(input: unknown, types: unknown): unknown;
  checkValidations(input: unknown, types: unknown, custom: unknown, store: DynaliteStore): void;
}

const load = createRequire(import.meta.url);

export const { create } = load('dynalite/db') as {
  create(options: {
    path?: string;
    createTableMs: number;
    deleteTableMs: number;
    updateTableMs: number;
  }): DynaliteStore;
};

export const validations = load('dynalite/validations') as Validations;

const names = [
  'BatchGetItem',
  'BatchWriteItem',
  'CreateTable',
  'DeleteItem',
  'DescribeTable',
  'GetItem',
  'ListTables',
  'PutItem',
  'Query',
  'Scan',
  'UpdateItem',
] as const;

const fileOf = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);

/** The operations that are served, by DynamoDB's names. */
export const operations: ReadonlyMap<string, { readonly act: Action; readonly validation: Validation }> = new Map(
  names.map((name) => [
    name,
    {
      act: load(`dynalite/actions/${fileOf(name)}`) as Action,
      validation: load(`dynalite/validations/${fileOf(name)}`) as Validation,
    },
  ]),
);

/** Reads a table's description from the database once it is active, not for each request: from then on nothing changes it. */
export function rememberTables(store: DynaliteStore): void {
  const read = store.getTable;
  const active = new Map<string, Parameters<TableFound>[1]>();
  store.getTable = (name, ...how) => {
    const done = how.at(-1) as TableFound;
    const known = active.get(name);
    if (known !== undefined) return done(null, known);
    const found: TableFound = (error, table) => {
      if (table?.TableStatus === 'ACTIVE') active.set(name, table);
      done(error, table);
    };
    return how.length === 1 ? read(name, found) : read(name, how[0], found);
  };
}
