/**
 * The tables of the cloud as data: the CDK app makes them from here, and so do tests. Every key is a string.
 * Secondary indexes carry keys only; an item without an index's keys is not in that index.
 */
export interface TableSpec {
  readonly partitionKey: string;
  readonly sortKey?: string;
  /** The attribute that says when an item may be deleted, seconds since 1970. */
  readonly expiry?: string;
  readonly indexes: Readonly<Record<string, { readonly partitionKey: string; readonly sortKey: string }>>;
}

export const tables = {
  /**
   * `<namespace>#<hook>` → pack; `claim#<namespace>#<batch>` → whose claim; `condemned#<namespace>#<pack>` → on its way out;
   * `idle#<namespace>#<kind>#<id>` → since when nothing needs the object.
   */
  index: { partitionKey: 'pk', expiry: 'expires_s', indexes: {} },
  /**
   * `<namespace>`, `<layer id>` → layer; `<namespace>#<layer id>`, `<site/host>` → that the host holds it;
   * `registered#<namespace>`, `<layer id>` → what a layer is that was registered; `removed#<namespace>`, `last` → when something was removed from the store; `collection#<namespace>`, `last` → garbage collection.
   */
  layers: { partitionKey: 'pk', sortKey: 'sk', indexes: {} },
  /** `<namespace>`, `<site/host>` → host; `identity#<ARN>`, `namespace` → the namespace that it is bound to. */
  hosts: { partitionKey: 'pk', sortKey: 'sk', indexes: {} },
  /** `<namespace>#<vm>` → who owns it. */
  vms: { partitionKey: 'pk', indexes: {} },
  /** `<migration id>`, `record` | `vm#…` | `stream#…` | `round#…` → a part of the migration. */
  migrations: {
    partitionKey: 'pk',
    sortKey: 'sk',
    indexes: { by_namespace: { partitionKey: 'namespace', sortKey: 'listed_at' } },
  },
  /** `<task id>` → task. `open_for` (`<namespace>#<site/host>`) is there only while the task is open. */
  tasks: {
    partitionKey: 'pk',
    expiry: 'expires_s',
    indexes: {
      open: { partitionKey: 'open_for', sortKey: 'pk' },
      by_migration: { partitionKey: 'migration', sortKey: 'pk' },
    },
  },
} as const satisfies Record<string, TableSpec>;

export type TableId = keyof typeof tables;

/** The deployed name of each table. */
export type TableNames = Readonly<Record<TableId, string>>;
