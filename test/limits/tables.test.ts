import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import { createFingerprintIndex } from '../../adapters/aws/fingerprint-index.ts';
import { openTable, type Table } from '../../adapters/aws/table.ts';
import { createAwsCloud } from '../../adapters/aws/wiring.ts';
import { limits } from '../../core/limits.ts';
import { createStepped } from '../functions/support/steps.ts';
import { Gauge } from './gauge.ts';

const digestOf = (at: number) => at.toString(16).padStart(64, '0');

interface Batch {
  readonly RequestItems: Record<string, unknown[] | { Keys: unknown[] }>;
}

/** A document client that does nothing but count; `left` of each batch is given back. */
function countingClient(left: number) {
  const gauge = new Gauge();
  const sizes: number[] = [];
  const send = async ({ input }: { input: Batch }) => {
    const [name, requests] = Object.entries(input.RequestItems)[0]!;
    const all = Array.isArray(requests) ? requests : requests.Keys;
    sizes.push(all.length);
    await gauge.pass();
    const rest = all.slice(all.length - left);
    if (rest.length === 0) return {};
    return Array.isArray(requests)
      ? { UnprocessedItems: { [name]: rest } }
      : { UnprocessedKeys: { [name]: { Keys: rest } } };
  };
  return { client: { send } as unknown as DynamoDBDocumentClient, gauge, sizes };
}

/** Waits are over at once, and noted. Chance always says the longest. */
function patience() {
  const waits: number[] = [];
  const clock = { nowMs: () => 0, sleep: async (ms: number) => void waits.push(ms) };
  return { waits, clock, random: { bytes: (count: number) => new Uint8Array(count).fill(255) } };
}

/** The index table as a deployed cloud has it. */
function deployed(client: DynamoDBDocumentClient, { clock, random }: ReturnType<typeof patience>) {
  const names = new Proxy({}, { get: (_, id) => String(id) });
  const clients = { dynamo: client } as never;
  const deployment = { tables: names } as never;
  return createAwsCloud(clients, deployment, { clock, random }).index;
}

describe('a table', () => {
  const keys = (count: number) => Array.from({ length: count }, (_, at) => ({ pk: digestOf(at) }));
  const noRetry = { ...patience(), attempts: 1, firstMs: 1, maxMs: 1 };

  it.each([
    ['getMany', limits.table_get_keys_max],
    ['putMany', limits.table_put_items_max],
  ] as const)('%s asks for so many at once, and so many requests run at a time', async (call, size) => {
    const { client, gauge, sizes } = countingClient(0);
    const table = openTable({ client, name: 't', retry: noRetry });
    await table[call](keys(size));
    expect(sizes).toEqual([size]);
    await table[call](keys(size + 1));
    expect(sizes).toEqual([size, size, 1]);
    await table[call](keys(3 * limits.table_requests_in_flight * size));
    expect(gauge.most).toBe(limits.table_requests_in_flight);
  });

  it('that leaves items undone is asked again, ever later, so many times', async () => {
    const patient = patience();
    const { client, sizes } = countingClient(1);
    const index = deployed(client, patient);
    await expect(index.lookup('default', [digestOf(1)])).rejects.toMatchObject({ code: 'TABLE_BUSY' });
    expect(sizes).toHaveLength(limits.table_attempts_max);
    const { table_retry_first_ms: first, table_retry_ms_max: most } = limits;
    const expected = Array.from({ length: limits.table_attempts_max - 1 }, (_, at) => Math.min(most, first * 2 ** at));
    expect(patient.waits.map(Math.round)).toEqual(expected);
    expect(expected.at(-1)).toBe(most);
  });

  it('in which somebody else always wins is left in the end', async () => {
    let puts = 0;
    const table = { put: async () => ++puts === 0, get: async () => undefined } as unknown as Table;
    const claim = createFingerprintIndex(table).claim('default', digestOf(1), { owner: 'me', untilMs: 1 }, 0);
    await expect(claim).rejects.toMatchObject({ code: 'CONTENTION' });
    expect(puts).toBe(limits.table_contenders_max);
  });
});

describe('a batch of fingerprints', () => {
  it('asks the index for its hooks alone, in few requests, whatever else the index holds', async () => {
    const { client, sizes } = countingClient(0);
    const hooks = limits.batch_fingerprints_max / limits.index_sampling_default;
    await deployed(client, patience()).lookup(
      'default',
      Array.from({ length: hooks }, (_, at) => digestOf(at)),
    );
    expect(sizes).toHaveLength(Math.ceil(hooks / limits.table_get_keys_max));
  });
});

describe('a lease', () => {
  it('lasts as long as it may, from when the VM was leased', async () => {
    const { cloud, step } = await createStepped();
    await step({ step: 'prepare' });
    const { lease } = (await cloud.vms.find('default', 'web-1'))!;
    expect(lease?.untilMs).toBe(cloud.clock.nowMs() + limits.lease_seconds * 1000);
  });
});
