import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { TaskInput } from '../../core/api/tasks.ts';
import { MIGRATION, post } from './support/cloud.ts';
import { cutover, follow, receipt } from './support/samples.ts';
import { createStepped, type Stepped } from './support/steps.ts';

const LIVE = { cutover: 'ram', maxDowntimeMs: 300, onNoConvergence: 'throttle' } as const;
const params = { migration: MIGRATION };
const live = (input: TaskInput) => ({ ...input, live: { cutover: 'ram', max_downtime_ms: 300 } }) as TaskInput;

let s: Stepped;
let task: string;
let followTask: string;

/** A VM whose destination has proven what it holds: its source may commit it now. */
async function stage(): Promise<void> {
  s = await createStepped({ live: LIVE, vmNames: ['web-1'] });
  await s.step({ step: 'prepare' });
  ({ id: task } = await post(s.cloud, 'a/h1', live(cutover('web-1')), { what: 'web-1' }));
  ({ id: followTask } = await post(s.cloud, 'b/h2', live(follow('web-1')), { what: 'web-1' }));
  const destinationReceipt = receipt('destination', 'web-1');
  await s.cloud.migrations.updateVm(MIGRATION, { name: 'web-1', run: 1 }, { state: 'moving', destinationReceipt });
}

beforeEach(stage);

const commit = () =>
  s.cloud.call('commitMigration', 'h1', {
    params,
    body: { task, attempt: 1, vm: 'web-1', epoch: 0, receipt: receipt('source', 'web-1') },
  });
const reclaim = () => s.cloud.call('reclaim', 'h1', { params, body: { vm: 'web-1', task, epoch: 0 } });
const running = () => s.cloud.call('announceRunning', 'h2', { params: { task: followTask }, body: {} });
const refused = async (body: object, caller = 'h1') =>
  (await s.cloud.refused('reclaim', caller, { params, body })).code;
const rolledBack = { state: 'rolled-back', error: { code: 'TAKEN_BACK' } };

describe('a source that takes its VM back', () => {
  it('before the commit keeps it, and a late commit is refused', async () => {
    expect(await reclaim()).toEqual({ owner: 'a/h1', epoch: 1 });
    await expect(commit()).rejects.toThrow('EPOCH_STALE');
    expect((await s.vmOf('web-1'))?.state).toBe('moving');
  });

  it('after the commit has it again, and the records say so', async () => {
    await commit();
    expect(await reclaim()).toEqual({ owner: 'a/h1', epoch: 2 });
    expect(await reclaim()).toEqual({ owner: 'a/h1', epoch: 2 });
    expect(await s.vmOf('web-1')).toMatchObject(rolledBack);
    await expect(running()).rejects.toThrow('VM_OWNED_ELSEWHERE');
  });

  it('once the destination runs it is refused', async () => {
    await commit();
    await running();
    await running();
    expect(await refused({ vm: 'web-1', task, epoch: 0 })).toBe('VM_RUNS_ELSEWHERE');
    expect((await s.vmOf('web-1'))?.state).toBe('committed');
  });

  it('may do so though the cloud has given its task up meanwhile', async () => {
    await commit();
    await s.cloud.tasks.cancel(task);
    await s.step({ step: 'rollback-vm', vm: 'web-1', error: {} });
    expect(await reclaim()).toEqual({ owner: 'a/h1', epoch: 2 });
    expect(await s.vmOf('web-1')).toMatchObject(rolledBack);
  });

  it('after the migration has ended as committed makes it one that failed', async () => {
    await commit();
    await s.step({ step: 'finish', round: 0 });
    expect((await s.record())?.state).toBe('committed');
    await reclaim();
    expect(await s.record()).toMatchObject({ state: 'failed', error: { code: 'TAKEN_BACK' } });
    expect(s.cloud.events.emitted.at(-1)).toMatchObject({ state: 'failed' });
  });

  it('while its commit is still being recorded is put right by the workflow', async () => {
    await commit();
    await reclaim();
    // The commit's own last write came late.
    await s.cloud.migrations.updateVm(MIGRATION, { name: 'web-1', run: 1 }, { state: 'committed', error: undefined });
    expect(await s.fails({ step: 'commit', vm: 'web-1' })).toBe('COMMIT_MISSING');
    await s.step({ step: 'rollback-vm', vm: 'web-1', error: { Error: 'COMMIT_MISSING' } });
    expect((await s.vmOf('web-1'))?.state).toBe('rolled-back');
    await s.step({ step: 'finish', round: 0 });
    expect((await s.record())?.state).toBe('failed');
  });
});

describe('who may take a VM back', () => {
  it('is the agent that was to cut it over, running; nobody else', async () => {
    expect(await refused({ vm: 'web-1', task, epoch: 0 }, 'h2')).toBe('CALLER_REFUSED');
    expect(await refused({ vm: 'web-1', task: followTask, epoch: 0 }, 'h2')).toBe('BODY_INVALID');
    expect(await refused({ vm: 'web-9', task, epoch: 0 })).toBe('VM_UNKNOWN');
    expect(await refused({ vm: 'web-1' })).toBe('BODY_INVALID');
    expect(await refused({ vm: 'web-1', task, epoch: 0, force: true })).toBe('BODY_INVALID');
    const { id: cold } = await post(s.cloud, 'a/h1', cutover('web-1'), { what: 'cold', token: 'cold' });
    expect(await refused({ vm: 'web-1', task: cold, epoch: 0 })).toBe('BODY_INVALID');
  });

  it('is nobody any more once an operator has left a committed VM to its destination, by force', async () => {
    const left = { params, body: { vm: 'web-1', force: true, side: 'destination' } } as const;
    expect((await s.cloud.refused('reclaim', 'operator', left)).code).toBe('VM_OWNED_ELSEWHERE');
    await commit();
    expect(await refused({ vm: 'web-1', side: 'destination' })).toBe('BODY_INVALID');
    expect(await refused({ vm: 'web-1', side: 'destination', task, force: true })).toBe('BODY_INVALID');
    expect(await s.cloud.call('reclaim', 'operator', left)).toEqual({ owner: 'b/h2', epoch: 1 });
    expect(await s.vmOf('web-1')).toMatchObject({ state: 'committed', guest: { is: 'left' } });
    expect(await refused({ vm: 'web-1', task, epoch: 0 })).toBe('VM_RUNS_ELSEWHERE');
  });

  it('is an operator, by force, even from a destination that runs it', async () => {
    await commit();
    await running();
    const forced = { params, body: { vm: 'web-1', force: true } };
    expect(await s.cloud.call('reclaim', 'operator', forced)).toEqual({ owner: 'a/h1', epoch: 2 });
    expect(await s.vmOf('web-1')).toMatchObject(rolledBack);
  });
});

describe('a destination’s words', () => {
  it('that a guest could run, runs, or is lost count though its task was given up meanwhile', async () => {
    await commit();
    await s.cloud.tasks.cancel(followTask);
    const say = (body: object) => s.cloud.call('announceRunning', 'h2', { params: { task: followTask }, body });
    await say({ guest: 'lost' });
    expect((await s.vmOf('web-1'))?.guest).toEqual({ is: 'lost' });
    expect((await s.ownership('web-1'))?.runs, 'which takes nothing from its source').toBeUndefined();
    expect(await say({})).toEqual({ ok: true });
    await say({ guest: 'runs', waited_ms: 12 });
    const view = await s.cloud.call('getMigration', 'operator', { params });
    expect(view.vms[0]?.live?.guest).toEqual({ is: 'runs', waited_ms: 12 });
  });

  it('are answered that the guest is to stay paused, if it was', async () => {
    const body = {
      task,
      attempt: 1,
      vm: 'web-1',
      epoch: 0,
      receipt: receipt('source', 'web-1'),
      paused: true,
    } as const;
    await s.cloud.call('commitMigration', 'h1', { params, body });
    expect(await running()).toEqual({ ok: true, paused: true });
  });

  it('are its own task’s', async () => {
    const asked = { params: { task }, body: { attempt: 1 } };
    expect((await s.cloud.refused('announceRunning', 'h1', asked)).code).toBe('BODY_INVALID');
    expect((await s.cloud.refused('announceIncoming', 'h1', asked)).code).toBe('BODY_INVALID');
    const old = { params: { task: followTask }, body: { attempt: 9 } };
    expect((await s.cloud.refused('announceIncoming', 'h2', old)).code).toBe('ATTEMPT_STALE');
    expect((await s.cloud.refused('announceRunning', 'h2', old)).code).toBe('VM_OWNED_ELSEWHERE');
  });

  it('are bounded', async () => {
    const uri = `tcp:${'x'.repeat(300)}`;
    const asked = { params: { task: followTask }, body: { attempt: 1, uri } };
    expect((await s.cloud.refused('announceIncoming', 'h2', asked)).code).toBe('BODY_INVALID');
  });
});

describe('in whatever order agents call and the workflow ends', () => {
  const acts: Readonly<Record<string, () => Promise<unknown>>> = {
    commit,
    reclaim,
    running,
    lost: () => s.cloud.call('announceRunning', 'h2', { params: { task: followTask }, body: { guest: 'lost' } }),
    leave: () =>
      s.cloud.call('reclaim', 'operator', { params, body: { vm: 'web-1', force: true, side: 'destination' } }),
    rollback: () => s.step({ step: 'rollback-vm', vm: 'web-1', error: {} }),
    confirm: () => s.step({ step: 'commit', vm: 'web-1' }),
    finish: () => s.step({ step: 'finish', round: 0 }),
  };

  it('records and ownership tell the same in the end, and what a party was told holds', async () => {
    const orders = fc.array(fc.constantFrom(...Object.keys(acts)), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(orders, async (order) => {
        await stage();
        const passed = new Set<string>();
        for (const act of [...order, 'rollback', 'finish']) {
          await acts[act]!().then(
            () => passed.add(act),
            () => undefined,
          );
        }
        const { owner, lease } = (await s.ownership('web-1'))!;
        const isThere = owner === 'b/h2';
        expect(lease).toBeUndefined();
        expect((await s.vmOf('web-1'))?.state).toBe(isThere ? 'committed' : 'rolled-back');
        expect((await s.record())?.state).toBe(isThere ? 'committed' : 'failed');
        if (passed.has('running') || passed.has('leave')) expect(isThere).toBe(true);
        if (passed.has('reclaim')) expect(isThere).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});
