import { beforeEach, describe, expect, it } from 'vitest';
import { migrationScope, objectKey } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import { MIGRATION } from './support/cloud.ts';
import { receipt } from './support/samples.ts';
import { createStepped, RECORD, type Stepped } from './support/steps.ts';

let s: Stepped;
beforeEach(async () => {
  s = await createStepped();
});

describe('verify and commit', () => {
  it('confirm, once and again, and refuse what is not so', async () => {
    await s.planned();
    expect(await s.fails({ step: 'verify', vm: 'web-1' })).toBe('RECEIPT_MISSING');
    await s.cloud.migrations.updateVm(
      MIGRATION,
      { name: 'web-1', run: 1 },
      {
        sourceReceipt: receipt('source', 'web-1'),
        destinationReceipt: receipt('destination', 'web-1', 'other'),
      },
    );
    expect(await s.fails({ step: 'verify', vm: 'web-1' })).toBe('RECEIPTS_DIFFER');
    await s.cloud.migrations.updateVm(
      MIGRATION,
      { name: 'web-1', run: 1 },
      { destinationReceipt: receipt('destination', 'web-1') },
    );
    await s.step({ step: 'verify', vm: 'web-1' });
    expect(await s.fails({ step: 'commit', vm: 'web-1' })).toBe('COMMIT_MISSING');
    await s.cloud.vms.commit('default', 'web-1', { migration: MIGRATION, to: 'b/h2', epoch: 0 });
    await s.step({ step: 'commit', vm: 'web-1' });
    const once = await s.vmOf('web-1');
    await s.cloud.clock.advance(5);
    await s.step({ step: 'commit', vm: 'web-1' });
    expect(await s.vmOf('web-1')).toEqual(once);
  });
});

describe('rollback', () => {
  const error = { Error: 'States.HeartbeatTimeout', Cause: '' };

  it('of one VM gives it back and stops its tasks; the others go on', async () => {
    await s.planned();
    for (const kind of ['cutover', 'follow'] as const)
      for (const what of RECORD.vmNames) await s.step({ step: 'dispatch', kind, what, token: `${kind}-${what}` });
    await s.step({ step: 'rollback-vm', vm: 'web-1', error });
    await s.step({ step: 'rollback-vm', vm: 'web-1', error: { Error: 'LATER', Cause: '' } });
    expect(await s.vmOf('web-1')).toMatchObject({ state: 'rolled-back', error: { code: 'AGENT_SILENT' } });
    expect((await s.ownership('web-1'))?.lease).toBeUndefined();
    expect((await s.ownership('web-2'))?.lease?.migration).toBe(MIGRATION);
    const states = await Promise.all(
      ['cutover.web-1', 'follow.web-1', 'cutover.web-2', 'follow.web-2'].map((what) =>
        s.cloud.tasks.find(`${MIGRATION}.${what}`),
      ),
    );
    expect(states.map((task) => task?.state)).toEqual(['closed', 'closed', 'waiting', 'waiting']);
  });

  it('of a VM that was committed just in time leaves it committed', async () => {
    await s.planned();
    await s.cloud.vms.commit('default', 'web-1', { migration: MIGRATION, to: 'b/h2', epoch: 0 });
    await s.step({ step: 'rollback-vm', vm: 'web-1', error });
    const vm = await s.vmOf('web-1');
    expect([vm?.state, vm?.error]).toEqual(['committed', undefined]);
    expect((await s.ownership('web-1'))?.owner).toBe('b/h2');
  });

  it('of all, after a crash in its middle, finishes what it began', async () => {
    await s.planned();
    await s.step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 't' });
    const { updateVm } = s.cloud.migrations;
    let calls = 0;
    s.cloud.migrations.updateVm = async (...args) => {
      if (++calls === 2) throw new Error('crash');
      return await updateVm(...args);
    };
    const whole = { step: 'rollback', error: { Error: 'X', Cause: '{"code":"X","message":"x"}' } } as const;
    expect(await s.fails(whole)).toBe('INTERNAL');
    await s.step(whole);
    expect((await s.vms()).map((vm) => vm.state)).toEqual(['rolled-back', 'rolled-back']);
    expect((await s.record())?.error).toEqual({ code: 'X', message: 'x' });
    expect((await s.cloud.tasks.find(`${MIGRATION}.seed.a.h1`))?.state).toBe('closed');
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
    await s.planned();
    await s.step({ step: 'rollback-vm', vm: 'web-1', error: caught });
    expect((await s.vmOf('web-1'))?.error).toMatchObject(told);
  });
});

describe('finish', () => {
  const prefix = `${migrationScope('default', MIGRATION)}/`;

  it('ends the migration once: record, leases, event', async () => {
    await s.planned();
    for (const name of RECORD.vmNames)
      await s.cloud.migrations.updateVm(MIGRATION, { name, run: 1 }, { state: 'committed' });
    const first = await s.step({ step: 'finish', round: 0 });
    expect(first).toEqual({
      state: 'committed',
      error: 'ENDED',
      cause: 'the migration ended as committed',
      more: false,
      round: 1,
    });
    const record = await s.record();
    await s.cloud.clock.advance(5);
    expect(await s.step({ step: 'finish', round: 0 })).toEqual(first);
    expect(await s.record()).toEqual(record);
    expect(s.cloud.events.emitted.at(-1)).toMatchObject({ state: 'committed' });
    expect((await s.ownership('web-1'))?.lease).toBeUndefined();
  });

  it('tells why it failed, by the first VM that did', async () => {
    await s.planned();
    await s.cloud.migrations.updateVm(MIGRATION, { name: 'web-2', run: 1 }, { state: 'committed' });
    const error = { code: 'LAYER_CHANGED', message: 'it changed' };
    await s.cloud.migrations.updateVm(MIGRATION, { name: 'web-1', run: 1 }, { state: 'rolled-back', error });
    expect(await s.step({ step: 'finish', round: 0 })).toMatchObject({
      state: 'failed',
      error: 'LAYER_CHANGED',
      cause: 'it changed',
    });
    expect((await s.record())?.error).toEqual(error);
  });

  it('leaves no VM unsettled, though the rollback before it failed: agents drop what was not committed', async () => {
    await s.planned();
    await s.cloud.vms.commit('default', 'web-1', { migration: MIGRATION, to: 'b/h2', epoch: 0 });
    expect(await s.step({ step: 'finish', round: 0 })).toMatchObject({ state: 'failed', error: 'WORKFLOW_FAILED' });
    expect((await s.vms()).map((vm) => [vm.name, vm.state])).toEqual([
      ['web-1', 'committed'],
      ['web-2', 'rolled-back'],
    ]);
    expect((await s.ownership('web-2'))?.lease).toBeUndefined();
  });

  it('releases leases of a preparation that stopped half-way', async () => {
    await s.cloud.vms.lease('default', 'web-1', 'a/h1', { migration: MIGRATION, untilMs: 9e15 }, 0);
    expect(await s.step({ step: 'finish', round: 0 })).toMatchObject({ state: 'failed' });
    expect((await s.ownership('web-1'))?.lease).toBeUndefined();
  });

  it('removes the migration’s objects page by page, and nobody else’s', async () => {
    const page = limits.events_list_per_cleanup_max;
    const all = page * limits.cleanup_pages_max + 1;
    await s.cloud.migrations.update({ id: MIGRATION, run: 1 }, ['requested'], { abortRequested: true });
    for (let at = 0; at < all; at++) await s.cloud.objects.put(`${prefix}packs/${at}`, [Buffer.of(1)]);
    const others = ['ns/default/packs/aa/x', `ns/default/migrations/${MIGRATION}0/packs/x`];
    for (const key of others) await s.cloud.objects.put(key, [Buffer.of(1)]);
    expect(await s.step({ step: 'finish', round: 0 })).toMatchObject({ more: true, round: 1 });
    expect(await s.step({ step: 'finish', round: 1 })).toMatchObject({ more: false });
    expect((await s.cloud.objects.list('', 9)).sort()).toEqual(others.sort());
  });

  it('keeps them if the migration failed, for it may be resumed', async () => {
    await s.cloud.objects.put(`${prefix}packs/x`, [Buffer.of(1)]);
    expect(await s.step({ step: 'finish', round: 0 })).toMatchObject({ state: 'failed', more: false });
    expect(await s.cloud.objects.list(prefix, 9)).toHaveLength(1);
  });

  it('removes them before its end if some of them are damaged: whoever resumes it finds nothing that is about to go', async () => {
    const error = { code: 'CHUNK_CORRUPT', message: 'a chunk is another' };
    await s.cloud.migrations.update({ id: MIGRATION, run: 1 }, ['requested'], { error });
    const kinds = ['packs', 'placements', 'segments', 'layers'] as const;
    for (const kind of kinds) await s.cloud.objects.put(objectKey(prefix.slice(0, -1), kind, 'ab'), [Buffer.of(1)]);
    const { remove } = s.cloud.objects;
    const removed: { keys: readonly string[]; state: string | undefined }[] = [];
    s.cloud.objects.remove = async (keys) => {
      if (keys.length > 0) removed.push({ keys, state: (await s.record())?.state });
      await remove.call(s.cloud.objects, keys);
    };
    expect(await s.step({ step: 'finish', round: 0 })).toMatchObject({ state: 'failed', more: false });
    expect((await s.record())?.state).toBe('failed');
    expect(removed.map(({ keys }) => keys[0]!.split('/')[4])).toEqual(['layers', 'segments', 'placements', 'packs']);
    expect(removed.map(({ state }) => state)).not.toContain('failed');
    expect(await s.cloud.objects.list(prefix, 9)).toEqual([]);
  });

  it('gives up after so many rounds', async () => {
    await s.cloud.migrations.update({ id: MIGRATION, run: 1 }, ['requested'], { state: 'aborted' });
    s.cloud.objects.list = async (_, limit) => Array.from({ length: limit }, (__, at) => `${prefix}${at}`);
    const last = limits.cleanup_rounds_max - 1;
    expect(await s.step({ step: 'finish', round: last })).toMatchObject({ more: false });
  });
});

describe('a step', () => {
  it('that is none is refused', async () => {
    await expect(s.cloud.step({ step: 'jump', migration: MIGRATION })).rejects.toMatchObject({ name: 'BODY_INVALID' });
  });

  it('of a migration that has ended or is unknown is refused', async () => {
    await s.cloud.migrations.update({ id: MIGRATION, run: 1 }, ['requested'], { state: 'failed' });
    expect(await s.fails({ step: 'prepare' })).toBe('MIGRATION_ENDED');
    await expect(s.cloud.step({ step: 'plan', migration: `m${'9'.repeat(20)}`, run: 1 })).rejects.toMatchObject({
      name: 'MIGRATION_UNKNOWN',
    });
  });

  it('of an earlier run is refused, and changes nothing', async () => {
    s = await createStepped({ run: 2 });
    await s.cloud.vms.lease('default', 'web-1', 'a/h1', { migration: MIGRATION, untilMs: 9e15 }, 0);
    const before = [await s.record(), await s.ownership('web-1')];
    const error = { Error: 'LATE', Cause: '' };
    for (const late of [
      { step: 'prepare' },
      { step: 'plan' },
      { step: 'dispatch', kind: 'survey', what: 'a/h1', token: 't' },
      { step: 'decide', vm: 'web-1', round: 0 },
      { step: 'commit', vm: 'web-1' },
      { step: 'rollback-vm', vm: 'web-1', error },
      { step: 'rollback', error },
      { step: 'finish', round: 0 },
    ] as const)
      expect(await s.fails({ ...late, run: 1 }), late.step).toBe('RUN_STALE');
    expect([await s.record(), await s.ownership('web-1')]).toEqual(before);
  });

  it('that fails for a reason of its own says no more than that', async () => {
    s.cloud.migrations.find = async () => {
      throw new Error('secret arn');
    };
    const error = await s.step({ step: 'plan' }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ name: 'INTERNAL' });
    expect((error as Error).message).not.toContain('secret');
    expect(s.cloud.logged).toHaveLength(1);
  });
});

describe('an execution that was stopped from outside', () => {
  it('ends its migration as failed and gives its VMs back, once and again', async () => {
    await s.planned();
    await s.step({ step: 'ended', execution: MIGRATION });
    const record = await s.cloud.migrations.find(MIGRATION);
    expect(record).toMatchObject({ state: 'failed', error: { code: 'WORKFLOW_STOPPED' } });
    expect(await s.vmOf('web-1')).toMatchObject({ state: 'rolled-back' });
    expect((await s.ownership('web-1'))?.lease).toBeUndefined();
    await s.cloud.clock.advance(5);
    await s.step({ step: 'ended', execution: MIGRATION });
    expect(await s.cloud.migrations.find(MIGRATION)).toEqual(record);
  });

  it('changes nothing of another run, or of a migration that nobody knows', async () => {
    await s.planned();
    const before = await s.cloud.migrations.find(MIGRATION);
    await s.step({ step: 'ended', execution: `${MIGRATION}-2` });
    await s.step({ step: 'ended', execution: `m${'e'.repeat(20)}` });
    expect(await s.cloud.migrations.find(MIGRATION)).toEqual(before);
    expect(await s.fails({ step: 'ended', execution: 'else' })).toBe('BODY_INVALID');
  });
});
