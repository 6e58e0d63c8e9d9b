import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { RetryPolicy } from '../retry.ts';

/** An item as the database gives it: nothing is known of it until a schema has read it. */
export type Item = Readonly<Record<string, unknown>>;
export type Key = Readonly<Record<string, string>>;

export interface TableOptions {
  readonly client: DynamoDBDocumentClient;
  readonly name: string;
  /** How often partial batches are sent again. */
  readonly retry: RetryPolicy;
}
