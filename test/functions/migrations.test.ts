import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { contentDigest } from '../../core/receipt.ts';
import { migrationIdOf } from '../../functions/migrations/create.ts';
import { createEnrolledCloud, type TestCloud } from './support/cloud.ts';
import { chain, cutover, id, receipt } from './support/samples.ts';

let cloud: TestCloud;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
});

const request = { request_id: 'request-1', vms: ['web-1', 'web-2'], to: 'b/h2' } as const;
const M = migrationIdOf('default', 'request-1');
const params = { migration: M };

const create = (change: object = {}) =>
  cloud.call('createMigration', 'user', { body: { ...request, vms: [...request.vms], ...change } });
const refusedCreate = async (change: object) =>
  (await cloud.refused('createMigration', 'user', { body: { ...request, ...change } })).code;

describe('a request', () => {
  it('makes a migration, starts its workflow and tells of it', async () => {
    const view = await create();
    expect(view).toMatchObject({ id: M, state: 'requested', policy: 'auto', vm_names: request.vms, vms: [] });
    expect([...cloud.workflow.executions]).toEqual([[M, { migration: M, run: 1 }]]);
    expect(cloud.events.emitted).toMatchObject([{ migration: M, state: 'requested', namespace: 'default' }]);
  });

  it('again is the same migration, and starts what a crash left unstarted', async () => {
    const { start } = cloud.workflow;
    cloud.workflow.start = async () => {
      throw new Error('crash');
    };
    expect(await refusedCreate({})).toBe('INTERNAL');
    cloud.workflow.start = start;
    expect((await create()).id).toBe(M);
    expect(cloud.workflow.executions.size).toBe(1);
    expect((await cloud.call('listMigrations', 'user', {})).migrations).toHaveLength(1);
  });

  it('again after the workflow began starts nothing', async () => {
    await create();
    await cloud.migrations.update({ id: M, run: 1 }, ['requested'], { state: 'moving' });
    cloud.workflow.start = async () => expect.unreachable();
    expect((await create()).state).toBe('moving');
  });

  it('in another namespace is another migration', async () => {
    const body = { version: '1', vms: [], free_bytes: 1, layers: [] };
    await cloud.call('enrolHost', 'h2', { params: { site: 'b', host: 'h2' }, body }, 'other');
    const view = await cloud.call('createMigration', 'user', { body: { ...request, vms: ['web-1'] } }, 'other');
    expect(view.id).toBe(migrationIdOf('other', 'request-1'));
    expect((await cloud.refused('getMigration', 'user', { params: { migration: view.id } })).code).toBe(
      'MIGRATION_UNKNOWN',
    );
  });

  it.each([
    ['to a host that nobody enrolled', { to: 'c/h3' }, 'HOST_UNKNOWN'],
    ['in chunks of no allowed size', { chunk_bytes: 5000 }, 'GEOMETRY_REFUSED'],
    ['with user data below the top', { kinds: ['ud', 'ud'] }, 'KINDS_MISMATCH'],
    ['for one VM twice', { vms: ['web-1', 'web-1'] }, 'BODY_INVALID'],
    ['for too many', { vms: Array.from({ length: limits.gang_vms_max + 1 }, (_, at) => `vm-${at}`) }, 'BODY_INVALID'],
  ])('%s is refused', async (_, change, code) => {
    expect(await refusedCreate(change)).toBe(code);
    expect(cloud.workflow.executions.size).toBe(0);
  });

  it('that asks for something else under the same id is refused', async () => {
    await create();
    expect(await refusedCreate({ policy: 'direct' })).toBe('REQUEST_ID_REUSED');
    expect(await refusedCreate({ vms: ['web-1'] })).toBe('REQUEST_ID_REUSED');
  });
});

describe('the list', () => {
  it('goes page by page, the newest first', async () => {
    for (let at = 0; at < 3; at++) {
      await cloud.clock.advance(1);
      await create({ request_id: `request-${at}` });
    }
    const first = await cloud.call('listMigrations', 'user', { query: { limit: 2 } });
    expect(first.migrations.map((each) => each.id)).toEqual(
      [2, 1].map((at) => migrationIdOf('default', `request-${at}`)),
    );
    const second = await cloud.call('listMigrations', 'user', { query: { limit: 2, after: first.next! } });
    expect(second).toMatchObject({ migrations: [{ id: migrationIdOf('default', 'request-0') }] });
    expect(second.next).toBeUndefined();
  });
});

/** The records as they are while VMs move. */
async function moving() {
  await create();
  await cloud.migrations.update({ id: M, run: 1 }, ['requested'], { state: 'moving' });
  const nowMs = cloud.clock.nowMs();
  for (const name of request.vms) {
    const layers = chain(name).map((layer, depth) => ({
      treatment: (['skip', 'dedup', 'direct'] as const)[depth]!,
      reason: 'it is so',
      stream: layer.layer_id ?? `ud:${name}`,
      kind: layer.kind,
      name: layer.name,
      virtualBytes: layer.virtual_bytes,
      dataBytes: layer.data_bytes,
      shared: depth < 2,
      stored: false,
    }));
    const { epoch } = await cloud.vms.lease('default', name, 'a/h1', { migration: M, untilMs: nowMs + 1e9 }, nowMs);
    await cloud.migrations.putVm(M, { run: 1, name, source: 'a/h1', epoch, state: 'moving', startedMs: nowMs, layers });
  }
}

describe('the view', () => {
  beforeEach(moving);

  it('adds up what both sides counted, and counts a shared layer once', async () => {
    const side = { totalBytes: 1000, storedBytes: 0, dedupedBytes: 0 };
    await cloud.migrations.putStream(M, {
      ...side,
      stream: id('lamp'),
      side: 'source',
      doneBytes: 900,
      wireBytes: 300,
      milliseconds: 700,
    });
    await cloud.migrations.putStream(M, {
      ...side,
      stream: id('lamp'),
      side: 'destination',
      doneBytes: 500,
      wireBytes: 200,
      milliseconds: 900,
    });
    await cloud.migrations.putStream(M, {
      ...side,
      stream: 'ud:web-2',
      side: 'source',
      doneBytes: 1,
      wireBytes: 50,
      milliseconds: 1,
    });
    await cloud.clock.advance(2500);
    const { vms } = await cloud.call('getMigration', 'user', { params });
    expect(vms[0]?.layers[1]).toMatchObject({
      shared: false,
      wire_bytes: 300,
      pulled_bytes: 200,
      done_bytes: 500,
      total_bytes: 1000,
      seconds: 0.9,
    });
    expect(vms[0]?.layers[2], 'not begun: what is planned').toMatchObject({ done_bytes: 0, total_bytes: 1 << 20 });
    expect(vms[1]?.layers[1]).toMatchObject({ shared: true, wire_bytes: 0, pulled_bytes: 0, logical_bytes: 1 << 25 });
    expect(vms.map((vm) => vm.wire_bytes)).toEqual([300, 50]);
    expect(vms[0]).toMatchObject({ seconds: 2.5, logical_bytes: 2 * (1 << 25) + (1 << 20), state: 'moving' });
  });

  it('calls a skipped layer skipped at every VM', async () => {
    const { vms } = await cloud.call('getMigration', 'user', { params });
    expect(vms.map((vm) => [vm.layers[0]?.treatment, vm.layers[0]?.shared])).toEqual([
      ['skip', false],
      ['skip', false],
    ]);
  });

  it('says equal only when both have proven it', async () => {
    const equal = async () => (await cloud.call('getMigration', 'user', { params })).vms[0]?.equal;
    expect(await equal()).toBeUndefined();
    const sourceReceipt = receipt('source', 'web-1', 'x', M);
    await cloud.migrations.updateVm(M, { name: 'web-1', run: 1 }, { sourceReceipt });
    expect(await equal()).toBeUndefined();
    await cloud.migrations.updateVm(
      M,
      { name: 'web-1', run: 1 },
      { destinationReceipt: receipt('destination', 'web-1', 'y', M) },
    );
    expect(await equal()).toBe(false);
    await cloud.migrations.updateVm(
      M,
      { name: 'web-1', run: 1 },
      { destinationReceipt: receipt('destination', 'web-1', 'x', M) },
    );
    expect(await equal()).toBe(true);
    const { vms } = await cloud.call('getReceipts', 'user', { params });
    expect(vms[0]).toMatchObject({ vm: 'web-1', agree: true, content_digest: contentDigest(sourceReceipt) });
    expect(vms[1]).toEqual({ vm: 'web-2', agree: false });
  });
});

describe('a commit', () => {
  const TASK = `${M}.cutover.web-1`;
  const body = { task: TASK, attempt: 1, vm: 'web-1', epoch: 0, receipt: receipt('source', 'web-1', 'x', M) };
  beforeEach(async () => {
    await moving();
    const input = { ...cutover('web-1'), migration: M };
    await cloud.tasks.post({ id: TASK, namespace: 'default', migration: M, host: 'a/h1', input, token: 't' });
  });
  const arrived = (content = 'x') =>
    cloud.migrations.updateVm(
      M,
      { name: 'web-1', run: 1 },
      { destinationReceipt: receipt('destination', 'web-1', content, M) },
    );
  const commit = (change: object = {}) => cloud.call('commitMigration', 'h1', { params, body: { ...body, ...change } });
  const refused = async (change: object = {}, caller = 'h1') =>
    (await cloud.refused('commitMigration', caller, { params, body: { ...body, ...change } })).code;
  const owner = async () => (await cloud.vms.find('default', 'web-1'))?.owner;

  it('moves the ownership, once', async () => {
    await arrived();
    expect(await commit()).toEqual({ owner: 'b/h2', epoch: 1 });
    expect(await commit()).toEqual({ owner: 'b/h2', epoch: 1 });
    expect((await cloud.migrations.vms(M))[0]).toMatchObject({ state: 'committed', sourceReceipt: { vm: 'web-1' } });
  });

  it('before the destination has proven what it holds is refused', async () => {
    expect(await refused()).toBe('RECEIPT_MISSING');
    expect(await owner()).toBe('a/h1');
  });

  it('of what differs is refused', async () => {
    await arrived('y');
    expect(await refused()).toBe('RECEIPTS_DIFFER');
    expect(await owner()).toBe('a/h1');
  });

  it.each([
    ['by another host', {}, 'h2', 'CALLER_REFUSED'],
    ['of an old attempt', { attempt: 0 }, 'h1', 'ATTEMPT_STALE'],
    ['of another VM', { vm: 'web-2' }, 'h1', 'BODY_INVALID'],
    ['with the other side’s receipt', { receipt: receipt('destination', 'web-1', 'x', M) }, 'h1', 'BODY_INVALID'],
    ['at another epoch', { epoch: 1 }, 'h1', 'EPOCH_STALE'],
  ] as const)('%s is refused', async (_, change, caller, code) => {
    await arrived();
    expect(await refused(change, caller)).toBe(code);
    expect(await owner()).toBe('a/h1');
  });

  it('by the destination’s own task is refused', async () => {
    await arrived();
    const task = `${M}.follow.web-1`;
    const input = { ...cutover('web-1'), kind: 'follow' as const, migration: M };
    await cloud.tasks.post({
      id: task,
      namespace: 'default',
      migration: M,
      host: 'b/h2',
      input: input as never,
      token: 'f',
    });
    expect(await refused({ task }, 'h2')).toBe('BODY_INVALID');
  });

  it('after a rollback is refused', async () => {
    await arrived();
    await cloud.vms.release('default', 'web-1', M);
    expect(await refused()).toBe('EPOCH_STALE');
  });
});

describe('an abort', () => {
  const abort = () => cloud.call('abortMigration', 'user', { params });

  it('before the workflow did anything starts it, for it ends migrations', async () => {
    const { start } = cloud.workflow;
    cloud.workflow.start = async () => {
      throw new Error('crash');
    };
    expect(await refusedCreate({})).toBe('INTERNAL');
    cloud.workflow.start = start;
    expect((await abort()).abort_requested).toBe(true);
    expect(cloud.workflow.executions.has(M)).toBe(true);
  });

  it('cancels open tasks and fails their states, twice as well as once', async () => {
    await moving();
    const ids = [`${M}.cutover.web-1`, `${M}.follow.web-1`, `${M}.seed.a.h1`, `${M}.fetch.b.h2`, `${M}.survey.a.h1`];
    const outcomes = ids.map(async (task, at) => {
      const input = { ...cutover('web-1'), migration: M };
      const outcome = cloud.workflow.wait(`t${at}`);
      await cloud.tasks.post({ id: task, namespace: 'default', migration: M, host: 'a/h1', input, token: `t${at}` });
      return await outcome;
    });
    await abort();
    await abort();
    for (const outcome of outcomes)
      expect(await outcome).toMatchObject({ status: 'failed', error: { code: 'ABORTED' } });
    for (const task of ids) expect((await cloud.tasks.find(task))?.outcome).toEqual({ status: 'cancelled' });
  });

  it('leaves a finished task as it is', async () => {
    await moving();
    const task = `${M}.survey.a.h1`;
    const input = { ...cutover('web-1'), migration: M };
    await cloud.tasks.post({ id: task, namespace: 'default', migration: M, host: 'a/h1', input, token: 't' });
    await cloud.tasks.close(task, 1, { status: 'failed', error: { code: 'X', message: 'x' } });
    await abort();
    expect((await cloud.tasks.find(task))?.outcome?.status).toBe('failed');
  });

  it('of what has ended is refused, unless it was aborted', async () => {
    await create();
    await cloud.migrations.update({ id: M, run: 1 }, ['requested'], { state: 'committed' });
    expect((await cloud.refused('abortMigration', 'user', { params })).code).toBe('MIGRATION_ENDED');
    await cloud.migrations.update({ id: M, run: 1 }, ['committed'], { state: 'aborted' });
    expect((await abort()).state).toBe('aborted');
  });
});
