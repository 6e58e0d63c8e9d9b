import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { PollAnswer, PollRequest } from '../../core/api/agent.ts';
import { limits } from '../../core/limits.ts';
import { createEnrolledCloud, MIGRATION, post, type TestCloud } from './support/cloud.ts';
import { chain, counts, cutover, follow, id, receipt, survey } from './support/samples.ts';

const RUN = '1'.repeat(16);
const VM = { migration: MIGRATION, vm: 'web-1' };

let cloud: TestCloud;
let task: string;
let followTask: string;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
  ({ id: task } = await post(cloud, 'a/h1', cutover('web-1')));
  ({ id: followTask } = await post(cloud, 'b/h2', follow('web-1')));
  await poll('h1');
  await poll('h2');
  const vm = { run: 1, source: 'a/h1', epoch: 0, state: 'moving', surveyed: chain('web-1') } as const;
  await cloud.migrations.putVm(MIGRATION, { ...vm, name: 'web-1' });
});

function poll(host: 'h1' | 'h2', said: Partial<PollRequest> = {}): Promise<PollAnswer> {
  const body = { instance: RUN, free_bytes: 1e12, running: [], following: [], awaiting: [], ...said };
  return cloud.call('poll', host, { params: { site: host === 'h1' ? 'a' : 'b', host }, body });
}

/** A poll that waits, by an agent that runs its task; tells when it was answered. */
function wait(host: 'h1' | 'h2', said: Partial<PollRequest>) {
  const running = [{ task: host === 'h1' ? task : followTask, attempt: 1, progress: [] }];
  const sinceMs = cloud.clock.nowMs();
  return poll(host, { running, wait_ms: limits.poll_wait_ms_max, ...said }).then((answer) => ({
    ...answer,
    afterMs: cloud.clock.nowMs() - sinceMs,
  }));
}

const change = (to: object) => cloud.migrations.updateVm(MIGRATION, { name: 'web-1', run: 1 }, to);

describe('a poll that may wait', () => {
  it('brings a receipt within one look of its being stored', async () => {
    const waiting = wait('h1', { awaiting: [VM] });
    await cloud.clock.advance(995);
    const destinationReceipt = receipt('destination', 'web-1');
    await cloud.call('storeReceipt', 'h2', {
      params: { task: followTask },
      body: { attempt: 1, receipt: destinationReceipt },
    });
    await cloud.clock.advance(limits.poll_look_ms);
    const { receipts, afterMs } = await waiting;
    expect(receipts).toEqual([destinationReceipt]);
    expect(afterMs).toBeLessThanOrEqual(995 + limits.poll_look_ms);
  });

  it('brings a round that was committed meanwhile', async () => {
    const stream = 'ud:web-1';
    const waiting = wait('h2', { following: [{ migration: MIGRATION, stream }] });
    await cloud.clock.advance(100);
    const body = { attempt: 1, stream, sequence: 0, segments: [], layer_id: id('root') };
    await cloud.call('commitRound', 'h1', { params: { task }, body });
    await cloud.clock.advance(limits.poll_look_ms);
    expect(await waiting).toMatchObject({ rounds: [{ stream, layer_id: id('root') }], afterMs: 120 });
  });

  it('brings the destination’s word, and again only when that has changed', async () => {
    const first = wait('h1', { expecting: [VM] });
    await cloud.clock.advance(100);
    const word = { uri: 'tcp:h2:49152', applied: { 'ud:web-1': '0001.0000' } };
    await cloud.call('announceIncoming', 'h2', { params: { task: followTask }, body: { attempt: 1, ...word } });
    await cloud.clock.advance(limits.poll_look_ms);
    expect((await first).incoming).toEqual([{ ...VM, ...word }]);
    const again = wait('h1', { expecting: [{ ...VM, heard: word }] });
    await cloud.clock.advance(5_000);
    const more = { ...word, applied: { 'ud:web-1': '0001.0001' } };
    await cloud.call('announceIncoming', 'h2', { params: { task: followTask }, body: { attempt: 1, ...more } });
    await cloud.clock.advance(limits.poll_look_ms);
    expect(await again).toMatchObject({ incoming: [{ ...VM, ...more }], afterMs: 5_020 });
  });

  it('tells a destination how its VM was settled', async () => {
    const waiting = wait('h2', { settling: [VM] });
    await cloud.clock.advance(200);
    await change({ state: 'committed' });
    await cloud.clock.advance(limits.poll_look_ms);
    expect((await waiting).settled).toEqual([{ ...VM, state: 'committed' }]);
  });

  it('brings a new task, and tells of a cancelled one, before long', async () => {
    const [cancelled, given] = [wait('h1', { awaiting: [VM] }), wait('h2', { settling: [VM] })];
    await cloud.clock.advance(100);
    await cloud.tasks.cancel(task);
    const { id: other } = await post(cloud, 'b/h2', survey('web-1'), { what: 'other' });
    await cloud.clock.advance(limits.poll_look_tasks_ms);
    expect(await cancelled).toMatchObject({ cancelled: [task] });
    expect(await given).toMatchObject({ tasks: [{ id: other }] });
  });

  it('ends without news when its time is over, and may not wait longer than the bound', async () => {
    const waiting = wait('h1', { awaiting: [VM], expecting: [VM] });
    await cloud.clock.advance(limits.poll_wait_ms_max + limits.poll_look_ms);
    expect(await waiting).toMatchObject({ receipts: [], incoming: [], afterMs: limits.poll_wait_ms_max });
    const body = { instance: RUN, free_bytes: 1, running: [], following: [], awaiting: [] };
    const longer = { ...body, wait_ms: limits.poll_wait_ms_max + 1 };
    const told = await cloud.refused('poll', 'h1', { params: { site: 'a', host: 'h1' }, body: longer });
    expect(told.code).toBe('BODY_INVALID');
  });

  it('reads what is awaited alone, once a look', async () => {
    const vms = vi.spyOn(cloud.migrations, 'vms');
    const rounds = vi.spyOn(cloud.migrations, 'rounds');
    const open = vi.spyOn(cloud.tasks, 'open');
    const waiting = wait('h1', { awaiting: [VM], expecting: [VM], wait_ms: 1_000 });
    await cloud.clock.advance(2_000);
    await waiting;
    expect(rounds).not.toHaveBeenCalled();
    expect(vms.mock.calls.length).toBeLessThanOrEqual(
      1_000 / limits.poll_look_ms + 1_000 / limits.poll_look_tasks_ms + 1,
    );
    expect(open.mock.calls.length).toBeLessThanOrEqual(1_000 / limits.poll_look_tasks_ms + 1);
  });

  it('stores what the agent has counted once, when it comes', async () => {
    const put = vi.spyOn(cloud.migrations, 'putStream');
    const running = [{ task, attempt: 1, progress: [counts('ud:web-1')] }];
    const waiting = wait('h1', { running, awaiting: [VM], wait_ms: 5_000 });
    await cloud.clock.advance(6_000);
    await waiting;
    expect(put).toHaveBeenCalledTimes(1);
  });

  it('tells nothing of a migration that the host has no task of', async () => {
    await change({ destinationReceipt: receipt('destination', 'web-1'), incoming: {}, state: 'committed' });
    const stranger = await poll('h1', { running: [], awaiting: [VM], expecting: [VM], settling: [VM] });
    expect(stranger).toMatchObject({ receipts: [], incoming: [], settled: [] });
  });
});
