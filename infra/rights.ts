import { REQUESTS_PREFIX } from '../core/api/events.ts';
import { OBJECT_KINDS, type ObjectKind } from '../core/format/keys.ts';
import type { FunctionName } from '../functions/settings.ts';

/** What each function may do, as IAM actions. Tables are in functions/settings.ts, beside what a function is told of. */

const READ = ['dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:Query'];
const WRITE = ['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:BatchWriteItem'];
export const TABLE_RIGHTS = {
  read: READ,
  write: [...READ, ...WRITE],
  scan: [...READ, ...WRITE, 'dynamodb:Scan'],
} as const;

interface Right {
  readonly actions: readonly string[];
  /** Keys in the bucket; none: the bucket itself. */
  readonly keys?: string;
}

const EVERY_KEY = 'ns/*';
const MIGRATIONS = 'ns/*/migrations/*';
const keysOf = (kind: ObjectKind) => `ns/*/${kind}/*`;
const MANIFESTS = (['layers', 'segments'] as const).map((kind) => ({ actions: ['s3:GetObject'], keys: keysOf(kind) }));
const FILTERS = 'ns/*/garbage/*';
const REQUESTS = `${REQUESTS_PREFIX}*`;

/** On the bucket. Whoever may not list it hears that an absent object is forbidden: that is enough for a footer. */
export const OBJECT_RIGHTS: Readonly<Partial<Record<FunctionName, readonly Right[]>>> = {
  tasks: [{ actions: ['s3:GetObject'], keys: EVERY_KEY }],
  fingerprints: [{ actions: ['s3:GetObject'], keys: EVERY_KEY }],
  // A disk's sample is held against manifests.
  layers: MANIFESTS,
  requests: [{ actions: ['s3:GetObject'], keys: REQUESTS }],
  // A plan looks into the manifests of what the destination holds.
  steps: [...MANIFESTS, { actions: ['s3:ListBucket'] }, { actions: ['s3:DeleteObject'], keys: MIGRATIONS }],
  gc: [
    { actions: ['s3:ListBucket'] },
    { actions: ['s3:GetObject'], keys: EVERY_KEY },
    { actions: ['s3:PutObject', 's3:DeleteObject'], keys: FILTERS },
    // Those of migrations have these kinds, too.
    ...OBJECT_KINDS.map((kind) => ({ actions: ['s3:DeleteObject'], keys: keysOf(kind) })),
  ],
  rebuild: [
    { actions: ['s3:ListBucket'] },
    { actions: ['s3:GetObject'], keys: EVERY_KEY },
    { actions: ['s3:PutObject'], keys: keysOf('placements') },
    ...OBJECT_KINDS.map((kind) => ({ actions: ['s3:DeleteObject'], keys: keysOf(kind) })),
  ],
};

/** On the state machine. */
export const MACHINE_RIGHTS: Readonly<Partial<Record<FunctionName, readonly string[]>>> = {
  hosts: ['states:SendTaskHeartbeat'],
  tasks: ['states:SendTaskSuccess', 'states:SendTaskFailure'],
  migrations: ['states:StartExecution', 'states:SendTaskFailure'],
  requests: ['states:StartExecution'],
};

/** Of agents on the bucket, which each session narrows to its task: objects are created, never replaced. */
export const AGENT_RIGHTS = { read: 's3:GetObject', create: 's3:PutObject', keys: EVERY_KEY } as const;

/** On the key of the objects, for whoever may do this on the objects. */
export const KEY_RIGHTS: Readonly<Record<string, readonly string[]>> = {
  's3:GetObject': ['kms:Decrypt'],
  // A multipart upload reads the data key that it was begun with.
  's3:PutObject': ['kms:GenerateDataKey', 'kms:Decrypt'],
};

/** What the key must allow for these actions on objects. */
export function keyActions(objectActions: readonly string[]): string[] {
  return [...new Set(objectActions.flatMap((action) => KEY_RIGHTS[action] ?? []))];
}
