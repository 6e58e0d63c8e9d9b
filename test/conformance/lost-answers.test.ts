import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDocumentClient } from '../../adapters/aws/clients.ts';
import { createFingerprintIndex } from '../../adapters/aws/fingerprint-index.ts';
import { createLayerCatalog } from '../../adapters/aws/layer-catalog.ts';
import { createMigrationStore } from '../../adapters/aws/migration-store.ts';
import { openTable, type Table } from '../../adapters/aws/table.ts';
import type { TableId } from '../../adapters/aws/tables.ts';
import { createTaskBoard } from '../../adapters/aws/task-board.ts';
import { createVmRegistry } from '../../adapters/aws/vm-registry.ts';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { limits } from '../../core/limits.ts';
import { digestOf, fresh, freshMigration, layerRecord, migrationRecord, postedTask } from './support/samples.ts';
import { startTables, type Tables } from './support/tables.ts';

/** What DynamoDB does beside answering in full: partial batches, and answers that never arrive. */
describe('adapters over an unreliable DynamoDB', () => {
  let tables: Tables;
  beforeAll(async () => {
    tables = await startTables();
  });
  afterAll(() => tables.close());

  const sleeps: number[] = [];
  const clock = {
    nowMs: createManualClock().nowMs,
    sleep: async (ms: number) => void sleeps.push(ms),
  };

  function open(id: TableId, client: DynamoDBClient): Table {
    const retry = { clock, random: systemRandom, attempts: limits.table_attempts_max, firstMs: 50, maxMs: 2000 };
    return openTable({ client: createDocumentClient(client), name: tables.names[id], retry });
  }

  /** Does at most `share` of each batch (0 = nothing) and gives the rest back as unprocessed. */
  function partial(client: DynamoDBClient, share: number): DynamoDBClient {
    client.middlewareStack.add(
      (next, { commandName = '' }) =>
        async (args) => {
          if (!commandName.startsWith('Batch')) return next(args);
          const input = args.input as { RequestItems: Record<string, unknown> };
          const [[table, requests]] = Object.entries(input.RequestItems) as [[string, never]];
          const all: unknown[] =
            commandName === 'BatchGetItemCommand' ? (requests as { Keys: unknown[] }).Keys : requests;
          const kept = all.slice(0, Math.ceil(all.length * share));
          const left = all.slice(kept.length);
          const wrap = (part: unknown[]) => ({
            [table]: commandName === 'BatchGetItemCommand' ? { ...(requests as object), Keys: part } : part,
          });
          const rest = left.length === 0 ? {} : wrap(left);
          const unprocessed =
            commandName === 'BatchGetItemCommand' ? { UnprocessedKeys: rest } : { UnprocessedItems: rest };
          if (kept.length === 0) return { response: {}, output: { $metadata: {}, ...unprocessed } as never };
          const answer = await next({ ...args, input: { ...input, RequestItems: wrap(kept) } as never });
          Object.assign(answer.output, unprocessed);
          return answer;
        },
      { step: 'initialize', name: 'partial', priority: 'low' },
    );
    return client;
  }

  /** Answers queries in pages of two items, as if each were half a megabyte. */
  function paged(client: DynamoDBClient): DynamoDBClient {
    client.middlewareStack.add(
      (next, { commandName }) =>
        (args) => {
          if (commandName !== 'QueryCommand') return next(args);
          const { Limit = 2 } = args.input as { Limit?: number };
          return next({ ...args, input: { ...args.input, Limit: Math.min(Limit, 2) } as never });
        },
      { step: 'initialize', name: 'paged', priority: 'low' },
    );
    return client;
  }

  /** Loses the first answer of each write; the SDK, which knows no better, sends the request again. */
  function forgetful(client: DynamoDBClient): DynamoDBClient {
    const answered = new Set<unknown>();
    client.middlewareStack.add(
      (next, { commandName = '' }) =>
        async (args) => {
          const answer = await next(args);
          const request = (args.request as { headers: Record<string, string> }).headers['amz-sdk-invocation-id'];
          if (!/Put|Update|Delete/.test(commandName) || answered.has(request)) return answer;
          answered.add(request);
          throw Object.assign(new Error('socket hang up'), { name: 'TimeoutError', code: 'ECONNRESET' });
        },
      { step: 'finalizeRequest', priority: 'low', name: 'forgetful' },
    );
    return client;
  }

  it('finishes batches that were done in part', async () => {
    const table = open('index', partial(tables.connect(), 0.5));
    const index = createFingerprintIndex(table);
    const [namespace, hooks] = [fresh('ns'), Array.from({ length: 130 }, (_, i) => digestOf(`hook ${i}`))];
    await index.add(namespace, hooks, digestOf('pack'));
    const complete = createFingerprintIndex(open('index', tables.connect()));
    expect((await complete.lookup(namespace, hooks)).size).toBe(130);
    sleeps.length = 0;
    expect((await index.lookup(namespace, hooks)).size).toBe(130);
    expect(sleeps.length).toBeGreaterThan(0);
    expect(Math.max(...sleeps)).toBeLessThanOrEqual(2000);
  });

  it('reads on where a page was cut, up to what was asked for', async () => {
    const catalog = createLayerCatalog(open('layers', paged(tables.connect())));
    const namespace = fresh('ns');
    const layers = Array.from({ length: 5 }, (_, i) => layerRecord(`layer ${i}`));
    for (const layer of layers) await catalog.record(namespace, layer);
    const all = await catalog.list(namespace, 100);
    expect(all).toHaveLength(5);
    expect(await catalog.list(namespace, 3)).toEqual(all.slice(0, 3));
    for (const host of ['a/h1', 'a/h2', 'b/h1'] as const) await catalog.announce(namespace, host, [layers[0]!.layerId]);
    expect(await catalog.holders(namespace, layers[0]!.layerId)).toEqual(['a/h1', 'a/h2', 'b/h1']);
  });

  it('gives up a batch that does not move, and says so', async () => {
    const catalog = createLayerCatalog(open('layers', partial(tables.connect(), 0)));
    sleeps.length = 0;
    const busy = catalog.present('default', 'a/h1', [digestOf('layer')]);
    await expect(busy).rejects.toMatchObject({ code: 'TABLE_BUSY', data: { left: 1 } });
    expect(sleeps).toHaveLength(limits.table_attempts_max - 1);
    await expect(catalog.announce('default', 'a/h1', [digestOf('layer')])).rejects.toMatchObject({
      code: 'TABLE_BUSY',
    });
  });

  it('a lease, a commit and a release whose answers are lost are done once', async () => {
    const vms = createVmRegistry(open('vms', forgetful(tables.connect())));
    const [vm, migration] = [fresh('vm'), freshMigration()];
    const leased = await vms.lease('default', vm, 'a/h1', { migration, untilMs: 1000 }, 0);
    expect(leased).toMatchObject({ epoch: 0, lease: { migration } });
    const moved = await vms.commit('default', vm, { migration, to: 'b/h2', epoch: 0 });
    expect(moved).toEqual({ vm, owner: 'b/h2', epoch: 1, broughtBy: migration });
    await vms.release('default', vm, migration);
    expect(await vms.find('default', vm)).toEqual(moved);
  });

  it('so are a word that a VM runs, and a VM that is taken back', async () => {
    const vms = createVmRegistry(open('vms', forgetful(tables.connect())));
    for (const runs of [true, false]) {
      const [vm, migration] = [fresh('vm'), freshMigration()];
      await vms.lease('default', vm, 'a/h1', { migration, untilMs: 1000 }, 0);
      await vms.commit('default', vm, { migration, to: 'b/h2', epoch: 0 });
      const back = () => vms.reclaim('default', vm, { migration, source: 'a/h1', epoch: 0 });
      if (!runs) expect(await back()).toEqual({ vm, owner: 'a/h1', epoch: 2, takenBack: migration });
      else expect(await vms.run('default', vm, { migration, owner: 'b/h2' })).toMatchObject({ epoch: 1, runs: true });
    }
  });

  it('so are a post, a take and a report', async () => {
    const tasks = createTaskBoard(open('tasks', forgetful(tables.connect())), clock);
    const task = postedTask(freshMigration(), 'a.h1', 'token');
    expect(await tasks.post(task)).toBe(1);
    expect(await tasks.take(task.id, '1'.repeat(16))).toBe(1);
    expect(await tasks.take(task.id, '2'.repeat(16))).toBe(2);
    expect(await tasks.close(task.id, 2, { status: 'failed', error: { code: 'X', message: 'y' } })).toBe(true);
  });

  it('so are a claim and a new migration', async () => {
    const index = createFingerprintIndex(open('index', forgetful(tables.connect())));
    const wanted = { owner: 'a', untilMs: 1000 };
    expect(await index.claim('default', digestOf(fresh('batch')), wanted, 0)).toEqual(wanted);
    const migrations = createMigrationStore(open('migrations', forgetful(tables.connect())));
    const record = migrationRecord('default', 1000);
    expect(await migrations.create(record)).toEqual(record);
  });

  it('refuses an item that is not in its form', async () => {
    const [table, vm] = [open('vms', tables.connect()), fresh('vm')];
    await table.put({ pk: `default#${vm}`, vm, owner: 'nobody', epoch: -1, revision: 1 });
    await expect(createVmRegistry(table).find('default', vm)).rejects.toMatchObject({ code: 'ITEM_INVALID' });
  });

  it('marks claims and closed tasks for deletion, and open tasks not', async () => {
    const [table, id] = [open('tasks', tables.connect()), freshMigration()];
    const tasks = createTaskBoard(table, clock);
    const task = postedTask(id, 'a.h1', 'token');
    await tasks.post(task);
    expect(await table.get({ pk: task.id })).toMatchObject({ open_for: 'default#a/h1' });
    expect(await table.get({ pk: task.id })).not.toHaveProperty('expires_s');
    await tasks.cancel(task.id);
    const closed = await table.get({ pk: task.id });
    expect(closed).toMatchObject({ expires_s: clock.nowMs() / 1000 + limits.closed_task_kept_seconds });
    expect(closed).not.toHaveProperty('open_for');
    const rows = open('index', tables.connect());
    await createFingerprintIndex(rows).claim('default', id, { owner: 'a', untilMs: 2500 }, 0);
    expect(await rows.get({ pk: `claim#default#${id}` })).toMatchObject({ expires_s: 3 });
  });
});
