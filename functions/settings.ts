import type { TableId } from '../adapters/aws/tables.ts';
import type { Route } from '../core/api/routes.ts';

/** Data that infra and the functions' entries share: what each function uses, and how it is told where that is. */

export type FunctionName = Route['function'] | 'steps' | 'requests' | 'gc';

/** Names of the environment variables that infra sets. */
export const settings = {
  bucket: 'BUCKET_NAME',
  /** The key of the bucket's objects: sessions of agents may use it. */
  key: 'KEY_ARN',
  machine: 'STATE_MACHINE_ARN',
  /** The state machine of garbage collection. */
  collector: 'COLLECTOR_ARN',
  bus: 'BUS_NAME',
  /** The role whose sessions agents get. */
  agentRole: 'AGENT_ROLE_ARN',
  /** One fingerprint in so many has an index row; 1 = all. */
  sampling: 'INDEX_SAMPLING',
  /** After so many days without a holder or a use the store lets a layer go. */
  unusedDays: 'LAYER_UNUSED_DAYS',
} as const;
export type Setting = keyof typeof settings;

/** What Powertools names lines and metrics of a function after: the stack, so that several are told apart. */
export const SERVICE_NAME = 'POWERTOOLS_SERVICE_NAME';

/** Set to `1` only where an emulator's gateway tells nobody's ARN: see functions/rest/emulated-caller.ts. */
export const EMULATED_CALLERS = 'EMULATED_CALLERS';

/** The environment variable that holds the name of a table. */
export function tableSetting(table: TableId): string {
  return `TABLE_${table.toUpperCase()}`;
}

export interface Uses {
  /** `write` reads as well; `scan` does that and goes through the whole table. */
  readonly tables: Readonly<Partial<Record<TableId, 'read' | 'write' | 'scan'>>>;
  readonly settings: readonly Setting[];
}

/** What a function is told of, and may touch; nothing else. */
export const uses: Readonly<Record<FunctionName, Uses>> = {
  hosts: {
    tables: { hosts: 'write', layers: 'write', tasks: 'write', migrations: 'write' },
    settings: ['machine'],
  },
  tasks: {
    tables: { hosts: 'read', tasks: 'write', migrations: 'write', index: 'write', layers: 'write', vms: 'write' },
    settings: ['bucket', 'key', 'machine', 'agentRole', 'sampling'],
  },
  fingerprints: {
    tables: { hosts: 'read', tasks: 'read', migrations: 'read', index: 'write' },
    settings: ['bucket', 'sampling'],
  },
  migrations: {
    tables: { hosts: 'read', tasks: 'write', migrations: 'write', vms: 'write' },
    settings: ['machine', 'bus'],
  },
  layers: { tables: { hosts: 'read', layers: 'write' }, settings: ['bucket'] },
  garbage: { tables: { hosts: 'read', layers: 'write' }, settings: ['collector'] },
  gc: {
    tables: { index: 'write', layers: 'write', migrations: 'read' },
    settings: ['bucket', 'sampling', 'unusedDays'],
  },
  rebuild: { tables: { hosts: 'read', index: 'scan', layers: 'write' }, settings: ['bucket', 'sampling'] },
  requests: {
    tables: { hosts: 'read', migrations: 'write', vms: 'read' },
    settings: ['bucket', 'machine', 'bus'],
  },
  steps: {
    tables: { hosts: 'read', tasks: 'write', migrations: 'write', vms: 'write', layers: 'write', index: 'read' },
    settings: ['bucket', 'bus', 'sampling'],
  },
};

export const FUNCTIONS = Object.keys(uses) as FunctionName[];
