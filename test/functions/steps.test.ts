import { beforeEach, describe, expect, it } from 'vitest';
import { migrationScope } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import type { MigrationRecord } from '../../core/records.ts';
import type { StepInput } from '../../functions/steps/input.ts';
import { createEnrolledCloud, MIGRATION, type TestCloud } from './support/cloud.ts';
import { chain, id, receipt } from './support/samples.ts';

let cloud: TestCloud;

const RECORD: MigrationRecord = {
  id: MIGRATION,
  namespace: 'default',
  requestId: 'request-1',
  vmNames: ['web-2', 'web-1'],
  to: 'b/h2',
  policy: 'auto',
  chunkBytes: 65_536,
  state: 'requested',
  createdMs: 1,
  updatedMs: 1,
};

async function setUp(change: Partial<MigrationRecord> = {}) {
  cloud = await createEnrolledCloud();
  await cloud.migrations.create({ ...RECORD, ...change });
}
beforeEach(() => setUp());

type Given = StepInput extends infer S ? (S extends StepInput ? Omit<S, 'migration'> : never) : never;
const step = (input: Given) => cloud.step({ migration: MIGRATION, ...input });
const fails = async (input: Given) =>
  (
    await step(input).then(
      () => undefined,
      (error: Error) => error,
    )
  )?.name;

const vms = () => cloud.migrations.vms(MIGRATION);
const vmOf = async (name: string) => (await vms()).find((vm) => vm.name === name);
const stateOf = async () => (await cloud.migrations.find(MIGRATION))?.state;
const ownership = (vm: string) => cloud.vms.find('default', vm);
const enrol = (host: string, vmNames: string[]) =>
  cloud.call('enrolHost', host, {
    params: { site: 'c', host },
    body: { version: '1', vms: vmNames, free_bytes: 1, layers: [] },
  });

async function surveyed() {
  await step({ step: 'prepare' });
  for (const name of RECORD.vmNames) await cloud.migrations.updateVm(MIGRATION, name, { surveyed: chain(name) });
}
async function planned() {
  await surveyed();
  return await step({ step: 'plan' });
}

describe('prepare', () => {
  it('finds sources, leases, and says where to go on', async () => {
    expect(await step({ step: 'prepare' })).toEqual({
      sources: [{ host: 'a/h1' }],
      vms: [{ vm: 'web-2' }, { vm: 'web-1' }],
      destination: 'b/h2',
    });
    expect(await stateOf()).toBe('preparing');
    expect(await ownership('web-1')).toMatchObject({ owner: 'a/h1', epoch: 0, lease: { migration: MIGRATION } });
    expect(await vmOf('web-1')).toMatchObject({ source: 'a/h1', epoch: 0, state: 'waiting' });
  });

  it('again says the same and keeps what is there', async () => {
    const first = await planned().then(() => step({ step: 'prepare' }));
    expect(first).toEqual(await step({ step: 'prepare' }));
    expect((await vmOf('web-1'))?.layers).toHaveLength(3);
  });

  it('goes by the owner, not by who announces', async () => {
    await enrol('h3', ['web-1', 'web-2']);
    for (const vm of RECORD.vmNames) await cloud.vms.lease('default', vm, 'c/h3', { migration: 'm0', untilMs: 0 }, 0);
    expect(await step({ step: 'prepare' })).toMatchObject({ sources: [{ host: 'c/h3' }] });
  });

  it('takes a VM that several announce from the one that is named', async () => {
    await setUp({ from: 'a/h1' });
    await enrol('h3', ['web-1', 'web-2']);
    expect(await step({ step: 'prepare' })).toMatchObject({ sources: [{ host: 'a/h1' }] });
  });

  it.each([
    ['nobody announces it', { vmNames: ['web-9'] }, undefined, 'VM_UNKNOWN'],
    ['the named host has it not', { from: 'c/h3' as const }, undefined, 'VM_UNKNOWN'],
    ['several announce it', {}, () => enrol('h3', ['web-2']), 'VM_AMBIGUOUS'],
    [
      'it is there already',
      { vmNames: ['web-9'], to: 'c/h3' as const },
      () => enrol('h3', ['web-9']),
      'VM_ALREADY_THERE',
    ],
    [
      'another migration holds it',
      {},
      () => cloud.vms.lease('default', 'web-2', 'a/h1', { migration: 'm0', untilMs: 9e15 }, 0),
      'VM_LEASED',
    ],
    [
      'another host owns it',
      { from: 'a/h1' as const },
      () => cloud.vms.lease('default', 'web-2', 'c/h3', { migration: 'm0', untilMs: 0 }, 0),
      'VM_OWNED_ELSEWHERE',
    ],
  ])('refuses a VM when %s', async (_, change, before, code) => {
    await setUp(change);
    await before?.();
    expect(await fails({ step: 'prepare' })).toBe(code);
  });
});

describe('plan', () => {
  it('deduplicates base layers, once for the gang, and sends user data direct', async () => {
    expect(await planned()).toEqual({ seeding: true, seeds: [{ host: 'a/h1' }] });
    expect((await vmOf('web-1'))?.layers).toMatchObject([
      { stream: id('debian'), treatment: 'dedup', shared: true, stored: false },
      { stream: id('lamp'), treatment: 'dedup', shared: true },
      { stream: 'ud:web-1', treatment: 'direct', shared: false },
    ]);
    expect(await stateOf()).toBe('seeding');
  });

  it('skips what the destination has, and seeds nothing if that is all', async () => {
    await cloud.layers.announce('default', 'b/h2', [id('debian'), id('lamp')]);
    expect(await planned()).toEqual({ seeding: false, seeds: [] });
    expect((await vmOf('web-1'))?.layers?.map((layer) => layer.treatment)).toEqual(['skip', 'skip', 'direct']);
  });

  it('lets nobody push what the store has', async () => {
    const shape = { virtualBytes: 1, chunkBytes: 65_536, dataBytes: 1, recordedMs: 1, kind: 'os' } as const;
    for (const name of ['debian', 'lamp'])
      await cloud.layers.record('default', { layerId: id(name), parent: null, name, ...shape });
    expect(await planned()).toEqual({ seeding: true, seeds: [] });
    expect((await vmOf('web-1'))?.layers?.map((layer) => layer.stored)).toEqual([true, true, false]);
  });

  it('splits seeding between sources: each layer from the first VM that brings it', async () => {
    await cloud.vms.lease('default', 'web-1', 'c/h3', { migration: 'm0', untilMs: 0 }, 0);
    await step({ step: 'prepare' });
    await cloud.migrations.updateVm(MIGRATION, 'web-2', { surveyed: chain('web-2') });
    await cloud.migrations.updateVm(MIGRATION, 'web-1', { surveyed: chain('web-1', 'node') });
    expect(await step({ step: 'plan' })).toEqual({ seeding: true, seeds: [{ host: 'a/h1' }, { host: 'c/h3' }] });
    await step({ step: 'dispatch', kind: 'seed', what: 'c/h3', token: 't' });
    const input = (await cloud.tasks.find(`${MIGRATION}.seed.c.h3`))?.input;
    expect(input).toMatchObject({ layers: [{ stream: id('node'), vm: 'web-1', depth: 1, parent: id('debian') }] });
  });

  it('needs the survey', async () => {
    await step({ step: 'prepare' });
    expect(await fails({ step: 'plan' })).toBe('SURVEY_MISSING');
  });

  it('obeys a forced policy, but never skips a top layer', async () => {
    await setUp({ policy: 'dedup' });
    await step({ step: 'prepare' });
    for (const name of RECORD.vmNames) {
      const top = { ...chain(name)[2]!, layer_id: id(name) };
      await cloud.migrations.updateVm(MIGRATION, name, { surveyed: [...chain(name).slice(0, 2), top] });
    }
    await cloud.layers.announce('default', 'b/h2', [id('web-1')]);
    await step({ step: 'plan' });
    expect((await vmOf('web-1'))?.layers?.[2]).toMatchObject({
      treatment: 'dedup',
      layerId: id('web-1'),
      stream: 'ud:web-1',
    });
  });
});

describe('dispatch', () => {
  it('posts each kind of task to the host that does it', async () => {
    await planned();
    const posted: [string, string, string][] = [
      ['survey', 'a/h1', 'a/h1'],
      ['seed', 'a/h1', 'a/h1'],
      ['fetch', 'b/h2', 'b/h2'],
      ['cutover', 'web-1', 'a/h1'],
      ['follow', 'web-1', 'b/h2'],
    ];
    for (const [kind, what, host] of posted) {
      const { task } = (await step({ step: 'dispatch', kind: kind as 'seed', what, token: `t-${kind}` })) as {
        task: string;
      };
      expect(await cloud.tasks.find(task), kind).toMatchObject({
        host,
        token: `t-${kind}`,
        input: { kind, migration: MIGRATION },
      });
    }
    const cutover = (await cloud.tasks.find(`${MIGRATION}.cutover.web-1`))?.input;
    expect(cutover).toMatchObject({
      epoch: 0,
      chain: { vm: 'web-1', layers: [{ depth: 0 }, { depth: 1 }, { stream: 'ud:web-1', depth: 2 }] },
    });
    const survey = (await cloud.tasks.find(`${MIGRATION}.survey.a.h1`))?.input;
    expect(survey).toMatchObject({ vms: [{ name: 'web-2' }, { name: 'web-1' }] });
  });

  it('again with a fresh token is the next attempt', async () => {
    await planned();
    await step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 'one' });
    await step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 'two' });
    expect(await cloud.tasks.find(`${MIGRATION}.seed.a.h1`)).toMatchObject({ token: 'two', attempt: 2 });
  });

  it('leaves no task behind when an abort comes in between', async () => {
    await planned();
    const { post } = cloud.tasks;
    cloud.tasks.post = async (task) => {
      await cloud.call('abortMigration', 'user', { params: { migration: MIGRATION } });
      return await post(task);
    };
    expect(await fails({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 't' })).toBe('ABORTED');
    expect((await cloud.tasks.find(`${MIGRATION}.seed.a.h1`))?.outcome).toEqual({ status: 'cancelled' });
  });

  it('has no round for a VM that is stopped', async () => {
    await planned();
    expect(await step({ step: 'decide', vm: 'web-1', round: 0 })).toEqual({ decision: 'cutover', round: 1 });
    expect(await fails({ step: 'dispatch', kind: 'round', what: 'web-1', token: 't' })).toBe('ROUND_REFUSED');
  });
});

describe('verify and commit', () => {
  it('confirm, once and again, and refuse what is not so', async () => {
    await planned();
    expect(await fails({ step: 'verify', vm: 'web-1' })).toBe('RECEIPT_MISSING');
    await cloud.migrations.updateVm(MIGRATION, 'web-1', {
      sourceReceipt: receipt('source', 'web-1'),
      destinationReceipt: receipt('destination', 'web-1', 'other'),
    });
    expect(await fails({ step: 'verify', vm: 'web-1' })).toBe('RECEIPTS_DIFFER');
    await cloud.migrations.updateVm(MIGRATION, 'web-1', { destinationReceipt: receipt('destination', 'web-1') });
    await step({ step: 'verify', vm: 'web-1' });
    expect(await fails({ step: 'commit', vm: 'web-1' })).toBe('COMMIT_MISSING');
    await cloud.vms.commit('default', 'web-1', { migration: MIGRATION, to: 'b/h2', epoch: 0 });
    await step({ step: 'commit', vm: 'web-1' });
    const once = await vmOf('web-1');
    await cloud.clock.advance(5);
    await step({ step: 'commit', vm: 'web-1' });
    expect(await vmOf('web-1')).toEqual(once);
  });
});

describe('rollback', () => {
  const error = { Error: 'States.HeartbeatTimeout', Cause: '' };

  it('of one VM gives it back and stops its tasks; the others go on', async () => {
    await planned();
    for (const kind of ['cutover', 'follow'] as const)
      for (const what of RECORD.vmNames) await step({ step: 'dispatch', kind, what, token: `${kind}-${what}` });
    await step({ step: 'rollback-vm', vm: 'web-1', error });
    await step({ step: 'rollback-vm', vm: 'web-1', error: { Error: 'LATER', Cause: '' } });
    expect(await vmOf('web-1')).toMatchObject({ state: 'rolled-back', error: { code: 'AGENT_SILENT' } });
    expect((await ownership('web-1'))?.lease).toBeUndefined();
    expect((await ownership('web-2'))?.lease?.migration).toBe(MIGRATION);
    const states = await Promise.all(
      ['cutover.web-1', 'follow.web-1', 'cutover.web-2', 'follow.web-2'].map((what) =>
        cloud.tasks.find(`${MIGRATION}.${what}`),
      ),
    );
    expect(states.map((task) => task?.state)).toEqual(['closed', 'closed', 'waiting', 'waiting']);
  });

  it('of a VM that was committed just in time leaves it committed', async () => {
    await planned();
    await cloud.vms.commit('default', 'web-1', { migration: MIGRATION, to: 'b/h2', epoch: 0 });
    await step({ step: 'rollback-vm', vm: 'web-1', error });
    const vm = await vmOf('web-1');
    expect([vm?.state, vm?.error]).toEqual(['committed', undefined]);
    expect((await ownership('web-1'))?.owner).toBe('b/h2');
  });

  it('of all, after a crash in its middle, finishes what it began', async () => {
    await planned();
    await step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 't' });
    const { updateVm } = cloud.migrations;
    let calls = 0;
    cloud.migrations.updateVm = async (...args) => {
      if (++calls === 2) throw new Error('crash');
      return await updateVm(...args);
    };
    const whole = { step: 'rollback', error: { Error: 'X', Cause: '{"code":"X","message":"x"}' } } as const;
    expect(await fails(whole)).toBe('INTERNAL');
    await step(whole);
    expect((await vms()).map((vm) => vm.state)).toEqual(['rolled-back', 'rolled-back']);
    expect((await cloud.migrations.find(MIGRATION))?.error).toEqual({ code: 'X', message: 'x' });
    expect((await cloud.tasks.find(`${MIGRATION}.seed.a.h1`))?.state).toBe('closed');
  });

  it.each([
    [
      'an agent’s error',
      { Error: 'LAYER_CHANGED', Cause: '{"code":"LAYER_CHANGED","message":"m","hint":"h"}' },
      { code: 'LAYER_CHANGED', message: 'm', hint: 'h' },
    ],
    [
      'a step’s error',
      {
        Error: 'ABORTED',
        Cause: JSON.stringify({ errorType: 'ABORTED', errorMessage: '{"code":"ABORTED","message":"m"}' }),
      },
      { code: 'ABORTED', message: 'm' },
    ],
    ['a task that took too long', { Error: 'States.Timeout', Cause: '' }, { code: 'TASK_TIMEOUT' }],
    [
      'what Lambda says',
      { Error: 'Lambda.Unknown', Cause: 'The cause could not be determined' },
      { code: 'Lambda.Unknown' },
    ],
    ['nothing at all', {}, { code: 'WORKFLOW_FAILED' }],
  ])('tells %s', async (_, caught, told) => {
    await planned();
    await step({ step: 'rollback-vm', vm: 'web-1', error: caught });
    expect((await vmOf('web-1'))?.error).toMatchObject(told);
  });
});

describe('finish', () => {
  const prefix = `${migrationScope('default', MIGRATION)}/`;

  it('ends the migration once: record, leases, event', async () => {
    await planned();
    for (const name of RECORD.vmNames) await cloud.migrations.updateVm(MIGRATION, name, { state: 'committed' });
    const first = await step({ step: 'finish', round: 0 });
    expect(first).toEqual({
      state: 'committed',
      error: 'ENDED',
      cause: 'the migration ended as committed',
      more: false,
      round: 1,
    });
    const record = await cloud.migrations.find(MIGRATION);
    await cloud.clock.advance(5);
    expect(await step({ step: 'finish', round: 0 })).toEqual(first);
    expect(await cloud.migrations.find(MIGRATION)).toEqual(record);
    expect(cloud.events.emitted.at(-1)).toMatchObject({ state: 'committed' });
    expect((await ownership('web-1'))?.lease).toBeUndefined();
  });

  it('tells why it failed, by the first VM that did', async () => {
    await planned();
    await cloud.migrations.updateVm(MIGRATION, 'web-2', { state: 'committed' });
    const error = { code: 'LAYER_CHANGED', message: 'it changed' };
    await cloud.migrations.updateVm(MIGRATION, 'web-1', { state: 'rolled-back', error });
    expect(await step({ step: 'finish', round: 0 })).toMatchObject({
      state: 'failed',
      error: 'LAYER_CHANGED',
      cause: 'it changed',
    });
    expect((await cloud.migrations.find(MIGRATION))?.error).toEqual(error);
  });

  it('releases leases of a preparation that stopped half-way', async () => {
    await cloud.vms.lease('default', 'web-1', 'a/h1', { migration: MIGRATION, untilMs: 9e15 }, 0);
    expect(await step({ step: 'finish', round: 0 })).toMatchObject({ state: 'failed' });
    expect((await ownership('web-1'))?.lease).toBeUndefined();
  });

  it('removes the migration’s objects page by page, and nobody else’s', async () => {
    const page = limits.events_list_per_cleanup_max;
    const all = page * limits.cleanup_pages_max + 1;
    for (let at = 0; at < all; at++) await cloud.objects.put(`${prefix}packs/${at}`, [Buffer.of(1)]);
    const others = ['ns/default/packs/aa/x', `ns/default/migrations/${MIGRATION}0/packs/x`];
    for (const key of others) await cloud.objects.put(key, [Buffer.of(1)]);
    expect(await step({ step: 'finish', round: 0 })).toMatchObject({ more: true, round: 1 });
    expect(await step({ step: 'finish', round: 1 })).toMatchObject({ more: false });
    expect((await cloud.objects.list('', 9)).sort()).toEqual(others.sort());
  });

  it('gives up after so many rounds', async () => {
    cloud.objects.list = async (_, limit) => Array.from({ length: limit }, (__, at) => `${prefix}${at}`);
    const last = limits.cleanup_rounds_max - 1;
    expect(await step({ step: 'finish', round: last })).toMatchObject({ more: false });
  });
});

describe('a step', () => {
  it('that is none is refused', async () => {
    await expect(cloud.step({ step: 'jump', migration: MIGRATION })).rejects.toMatchObject({ name: 'BODY_INVALID' });
  });

  it('of a migration that has ended or is unknown is refused', async () => {
    await cloud.migrations.update(MIGRATION, ['requested'], { state: 'failed' });
    expect(await fails({ step: 'prepare' })).toBe('MIGRATION_ENDED');
    await expect(cloud.step({ step: 'plan', migration: `m${'9'.repeat(20)}` })).rejects.toMatchObject({
      name: 'MIGRATION_UNKNOWN',
    });
  });

  it('that fails for a reason of its own says no more than that', async () => {
    cloud.migrations.find = async () => {
      throw new Error('secret arn');
    };
    const error = await step({ step: 'plan' }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ name: 'INTERNAL' });
    expect((error as Error).message).not.toContain('secret');
    expect(cloud.logged).toHaveLength(1);
  });
});
