import { beforeEach, describe, expect, it } from 'vitest';
import type { PollRequest } from '../../core/api/agent.ts';
import { limits } from '../../core/limits.ts';
import { createEnrolledCloud, MIGRATION, post, type TestCloud } from './support/cloud.ts';
import { chain, counts, cutover, follow, id, receipt, seed, survey } from './support/samples.ts';

let cloud: TestCloud;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
});

const RUN_1 = '1'.repeat(16);
const RUN_2 = '2'.repeat(16);

function poll(host: 'h1' | 'h2', said: Partial<PollRequest> = {}) {
  const body = { instance: RUN_1, free_bytes: 1e12, running: [], following: [], awaiting: [], ...said };
  return cloud.call('poll', host, { params: { site: host === 'h1' ? 'a' : 'b', host }, body });
}

function running(task: string, attempt: number, progress: ReturnType<typeof counts>[] = []) {
  return { running: [{ task, attempt, progress }] };
}

describe('enrolment', () => {
  it('announces host, VMs and layers', async () => {
    const { hosts } = await cloud.call('listHosts', 'anyone', {});
    expect(hosts[0]).toMatchObject({ host: 'a/h1', vms: ['web-1', 'web-2'], free_bytes: 1e12 });
    const body = { version: '2', vms: [], free_bytes: 5, layers: [id('debian')] };
    await cloud.call('enrolHost', 'h2', { params: { site: 'b', host: 'h2' }, body });
    expect(await cloud.layers.holders('default', id('debian'))).toEqual(['b/h2']);
  });

  it('tells which layers the host has lost: nobody counts on them any more', async () => {
    const enrol = (layers: string[], lost: string[]) => {
      const body = { version: '2', vms: [], free_bytes: 5, layers, lost };
      return cloud.call('enrolHost', 'h2', { params: { site: 'b', host: 'h2' }, body });
    };
    await enrol([id('debian'), id('lamp')], []);
    await enrol([], [id('debian'), id('never had')]);
    const present = await cloud.layers.present('default', 'b/h2', [id('debian'), id('lamp')]);
    expect([...present]).toEqual([id('lamp')]);
  });

  it('of a host that is another’s is refused and changes nothing', async () => {
    const body = { version: '1', vms: ['stolen'], free_bytes: 1, layers: [id('x')] };
    const told = await cloud.refused('enrolHost', 'h2', { params: { site: 'a', host: 'h1' }, body });
    expect(told.code).toBe('HOST_TAKEN');
    expect((await cloud.hosts.find('default', 'a/h1'))?.vms).toEqual(['web-1', 'web-2']);
    expect(await cloud.layers.holders('default', id('x'))).toEqual([]);
  });
});

describe('a poll', () => {
  it('is for the one who enrolled the host', async () => {
    const asked = {
      params: { site: 'a', host: 'h1' },
      body: { instance: RUN_1, free_bytes: 1, running: [], following: [], awaiting: [] },
    };
    expect((await cloud.refused('poll', 'h2', asked)).code).toBe('CALLER_REFUSED');
    expect((await cloud.refused('poll', 'h1', { ...asked, params: { site: 'c', host: 'c' } })).code).toBe(
      'HOST_UNKNOWN',
    );
  });

  it('hands a task out, and never its token', async () => {
    const { id: task } = await post(cloud, 'a/h1', survey('web-1'));
    const answer = await poll('h1');
    expect(answer.tasks).toEqual([{ id: task, attempt: 1, input: survey('web-1') }]);
    expect(JSON.stringify(answer)).not.toContain('token-survey');
    expect((await poll('h2')).tasks).toEqual([]);
  });

  it('whose answer was lost brings the same attempt again', async () => {
    await post(cloud, 'a/h1', survey('web-1'));
    expect((await poll('h1')).tasks[0]?.attempt).toBe(1);
    expect((await poll('h1')).tasks[0]?.attempt).toBe(1);
  });

  it('of another run of the agent takes the task over, and the old run must stop', async () => {
    const { id: task } = await post(cloud, 'a/h1', survey('web-1'));
    await poll('h1');
    expect((await poll('h1', { instance: RUN_2 })).tasks).toMatchObject([{ id: task, attempt: 2 }]);
    const old = await poll('h1', running(task, 1));
    expect(old).toMatchObject({ cancelled: [task], tasks: [] });
    expect(await poll('h1', { instance: RUN_2, ...running(task, 2) })).toMatchObject({ cancelled: [], tasks: [] });
  });

  it('brings a task that the workflow posted anew once the agent has stopped the old attempt', async () => {
    const { id: task } = await post(cloud, 'a/h1', survey('web-1'), { token: 'first' });
    await poll('h1');
    cloud.workflow.abandon('first');
    await post(cloud, 'a/h1', survey('web-1'), { token: 'second' });
    expect(await poll('h1', running(task, 1))).toMatchObject({ cancelled: [task], tasks: [] });
    expect((await poll('h1')).tasks).toMatchObject([{ id: task, attempt: 2 }]);
  });

  it('tells of cancelled tasks', async () => {
    const { id: task } = await post(cloud, 'a/h1', survey('web-1'));
    await poll('h1');
    await cloud.tasks.cancel(task);
    expect((await poll('h1', running(task, 1))).cancelled).toEqual([task]);
  });

  it('does not confirm another host’s task', async () => {
    const { id: task } = await post(cloud, 'b/h2', follow('web-1'));
    await poll('h2');
    expect((await poll('h1', running(task, 1))).cancelled).toEqual([task]);
    expect((await cloud.tasks.find(task))?.state).toBe('running');
  });

  it('hands out no more than a host may have, and beats what must wait', async () => {
    for (let at = 0; at < limits.tasks_per_host_max + 1; at++)
      await post(cloud, 'a/h1', survey('web-1'), { token: `t${at}`, what: `vm-${at}` });
    const { tasks } = await poll('h1');
    expect(tasks).toHaveLength(limits.tasks_per_host_max);
    expect(cloud.workflow.beats.size).toBe(limits.tasks_per_host_max + 1);
  });
});

describe('the heartbeat', () => {
  it('reaches the workflow at a pace of its own', async () => {
    const { id: task, token } = await post(cloud, 'a/h1', survey('web-1'));
    await poll('h1');
    for (let at = 0; at < 10; at++) await poll('h1', running(task, 1));
    expect(cloud.workflow.beats.get(token)).toBe(1);
    await cloud.clock.advance(limits.beat_ms);
    await poll('h1', running(task, 1));
    expect(cloud.workflow.beats.get(token)).toBe(2);
  });

  it('of a task that the workflow no longer waits for closes it', async () => {
    const { id: task, token } = await post(cloud, 'a/h1', survey('web-1'));
    cloud.workflow.abandon(token);
    expect((await poll('h1')).tasks).toEqual([]);
    expect((await cloud.tasks.find(task))?.outcome).toEqual({ status: 'cancelled' });
  });

  it('renews when the host was seen, now and then', async () => {
    const before = (await cloud.hosts.find('default', 'a/h1'))!;
    await poll('h1');
    expect(await cloud.hosts.find('default', 'a/h1')).toEqual(before);
    await cloud.clock.advance(limits.host_seen_ms);
    await poll('h1', { free_bytes: 7 });
    expect(await cloud.hosts.find('default', 'a/h1')).toEqual({ ...before, freeBytes: 7, seenMs: cloud.clock.nowMs() });
  });
});

describe('progress', () => {
  it('is stored for the layers that the task moves', async () => {
    const { id: task } = await post(cloud, 'a/h1', cutover('web-1'));
    await poll('h1');
    await poll('h1', running(task, 1, [counts('ud:web-1'), counts(id('another'))]));
    expect(await cloud.migrations.streams(MIGRATION)).toMatchObject([
      { stream: 'ud:web-1', side: 'source', wireBytes: 100 },
    ]);
  });
});

describe('news', () => {
  const ROUND = { stream: id('debian'), segments: [{ index: 0, id: id('s') }] };

  it('are the rounds after the cursor, for those who have a task of the migration', async () => {
    const { id: task } = await post(cloud, 'b/h2', { ...seed(), kind: 'fetch' });
    await poll('h2');
    await cloud.migrations.appendRound(MIGRATION, { ...ROUND, cursor: '1' });
    await cloud.migrations.appendRound(MIGRATION, { ...ROUND, cursor: '2', layerId: id('debian') });
    const following = [{ migration: MIGRATION, stream: ROUND.stream, after: '1' }];
    const { rounds } = await poll('h2', { ...running(task, 1), following });
    expect(rounds).toEqual([{ ...ROUND, migration: MIGRATION, cursor: '2', layer_id: id('debian') }]);
    expect((await poll('h2', { following })).rounds).toEqual([]);
    expect((await poll('h1', { following })).rounds).toEqual([]);
  });

  it('never hold more rounds than one answer may', async () => {
    const { id: task } = await post(cloud, 'b/h2', { ...seed(), kind: 'fetch' });
    await poll('h2');
    for (let at = 0; at < limits.rounds_per_poll_max + 5; at++)
      await cloud.migrations.appendRound(MIGRATION, { ...ROUND, cursor: String(at).padStart(4, '0') });
    const stream = { migration: MIGRATION, stream: ROUND.stream };
    const { rounds } = await poll('h2', { ...running(task, 1), following: [stream, stream] });
    expect(rounds).toHaveLength(limits.rounds_per_poll_max);
  });

  it('are the destination’s receipts that a source awaits', async () => {
    const { id: task } = await post(cloud, 'a/h1', cutover('web-1'));
    await poll('h1');
    const vm = { run: 1, source: 'a/h1', epoch: 0, state: 'moving', surveyed: chain('web-1') } as const;
    await cloud.migrations.putVm(MIGRATION, { ...vm, name: 'web-1' });
    const awaiting = [{ migration: MIGRATION, vm: 'web-1' }];
    expect((await poll('h1', { ...running(task, 1), awaiting })).receipts).toEqual([]);
    const destinationReceipt = receipt('destination', 'web-1');
    await cloud.migrations.updateVm(MIGRATION, { name: 'web-1', run: 1 }, { destinationReceipt });
    expect((await poll('h1', { ...running(task, 1), awaiting })).receipts).toEqual([destinationReceipt]);
  });
});
