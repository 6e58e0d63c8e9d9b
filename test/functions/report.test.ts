import { beforeEach, describe, expect, it } from 'vitest';
import { roundCursor } from '../../core/records.ts';
import { createEnrolledCloud, MIGRATION, post, type TestCloud } from './support/cloud.ts';
import { chain, counts, follow, id, seed, survey, surveyed, transfer } from './support/samples.ts';

let cloud: TestCloud;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
  const vm = { run: 1, source: 'a/h1', epoch: 0, state: 'waiting' } as const;
  for (const name of ['web-1', 'web-2']) await cloud.migrations.putVm(MIGRATION, { ...vm, name });
});

const vmOf = async (name: string) => (await cloud.migrations.vms(MIGRATION)).find((vm) => vm.name === name);

describe('a report', () => {
  const done = (vms: { name: string; layers: ReturnType<typeof chain> }[], attempt = 1) => ({
    attempt,
    outcome: { status: 'done' as const, result: { kind: 'survey' as const, vms } },
  });
  const both = [
    { name: 'web-1', layers: chain('web-1') },
    { name: 'web-2', layers: chain('web-2') },
  ];

  it('stores what a survey found, closes the task and tells the workflow, but not what it found', async () => {
    const { id: task, outcome } = await post(cloud, 'a/h1', survey('web-1', 'web-2'));
    await cloud.call('reportTask', 'h1', { params: { task }, body: done(both) });
    expect((await vmOf('web-2'))?.surveyed).toEqual(chain('web-2'));
    expect((await cloud.tasks.find(task))?.state).toBe('closed');
    expect(await outcome).toEqual({ status: 'succeeded', output: { task } });
  });

  it('is answered alike when it comes again, after a crash in its middle, too', async () => {
    const { id: task, outcome } = await post(cloud, 'a/h1', survey('web-1', 'web-2'));
    const asked = { params: { task }, body: done(both) };
    const { updateVm } = cloud.migrations;
    cloud.migrations.updateVm = async () => {
      throw new Error('crash');
    };
    expect((await cloud.refused('reportTask', 'h1', asked)).code).toBe('INTERNAL');
    cloud.migrations.updateVm = updateVm;
    await cloud.call('reportTask', 'h1', asked);
    await cloud.call('reportTask', 'h1', asked);
    expect((await vmOf('web-1'))?.surveyed).toEqual(chain('web-1'));
    expect((await outcome).status).toBe('succeeded');
  });

  it('of an old attempt, or another one for a closed task, is refused', async () => {
    const { id: task } = await post(cloud, 'a/h1', survey('web-1', 'web-2'));
    await cloud.tasks.take(task, '1'.repeat(16));
    await cloud.tasks.take(task, '2'.repeat(16));
    const late = await cloud.refused('reportTask', 'h1', { params: { task }, body: done(both, 1) });
    expect(late.code).toBe('ATTEMPT_STALE');
    expect((await vmOf('web-1'))?.surveyed).toBeUndefined();
    await cloud.call('reportTask', 'h1', { params: { task }, body: done(both, 2) });
    const failed = { attempt: 2, outcome: { status: 'failed', error: { code: 'X', message: 'x' } } };
    expect((await cloud.refused('reportTask', 'h1', { params: { task }, body: failed })).code).toBe('ATTEMPT_STALE');
  });

  it('is for the task’s own host', async () => {
    const { id: task } = await post(cloud, 'a/h1', survey('web-1', 'web-2'));
    const told = await cloud.refused('reportTask', 'h2', { params: { task }, body: done(both) });
    expect(told.code).toBe('CALLER_REFUSED');
    expect((await cloud.tasks.find(task))?.state).toBe('waiting');
  });

  it.each([
    ['leaves a VM out', both.slice(1)],
    ['names a VM twice', [both[0]!, both[0]!]],
    ['has a chain that does not hang together', [both[0]!, { name: 'web-2', layers: chain('web-2').toReversed() }]],
    [
      'has a base layer without id',
      [both[0]!, { name: 'web-2', layers: [surveyed('ud', 'x', null), surveyed('ud', 'y', null)] }],
    ],
  ])('that %s is refused, and nothing changed', async (_, vms) => {
    const { id: task } = await post(cloud, 'a/h1', survey('web-1', 'web-2'));
    const told = await cloud.refused('reportTask', 'h1', { params: { task }, body: done(vms) });
    expect(told.code).toBe('BODY_INVALID');
    expect((await cloud.tasks.find(task))?.state).toBe('waiting');
    expect((await vmOf('web-1'))?.surveyed).toBeUndefined();
  });

  it('of another kind is refused', async () => {
    const { id: task } = await post(cloud, 'a/h1', seed());
    expect((await cloud.refused('reportTask', 'h1', { params: { task }, body: done(both) })).code).toBe('BODY_INVALID');
  });

  it('of layers that were sent wants the last round of each, of this run', async () => {
    const [os, we] = [surveyed('os', 'debian', null), surveyed('we', 'lamp', id('debian'))];
    const layers = [transfer(id('debian'), 'dedup', os), transfer(id('lamp'), 'dedup', we)];
    const untold = [
      { ...transfer(id('held'), 'skip', os), stored: false },
      { ...transfer(id('kept'), 'dedup', os), stored: true },
    ];
    const { id: task, outcome } = await post(cloud, 'a/h1', { ...seed([...layers, ...untold]), run: 2 });
    const round = (run: number, sequence: number, stream: string, layerId?: string) => {
      const cursor = roundCursor({ run, round: 'last', attempt: 1 }, sequence);
      return cloud.migrations.appendRound(MIGRATION, { stream, cursor, segments: [], layerId });
    };
    const result = { kind: 'seed' as const, streams: [] };
    const body = { attempt: 1, outcome: { status: 'done' as const, result } };
    const expectRefused = async () => {
      const told = await cloud.refused('reportTask', 'h1', { params: { task }, body });
      expect(told).toMatchObject({ code: 'LAYER_NOT_SENT', status: 409, hint: expect.any(String) });
      expect(told.detail).toContain('lamp.qcow2');
      expect((await cloud.tasks.find(task))?.state).toBe('waiting');
    };
    await round(2, 7, id('debian'), id('debian'));
    await expectRefused();
    await round(1, 9, id('lamp'), id('lamp'));
    await expectRefused();
    await round(2, 0, id('lamp'));
    await expectRefused();
    await round(2, 1, id('lamp'), id('lamp'));
    await cloud.call('reportTask', 'h1', { params: { task }, body });
    expect((await outcome).status).toBe('succeeded');
  });

  it('stores what was counted', async () => {
    const { id: task } = await post(cloud, 'b/h2', follow('web-1'));
    const result = { kind: 'follow' as const, streams: [counts('ud:web-1', 77)] };
    await cloud.call('reportTask', 'h2', {
      params: { task },
      body: { attempt: 1, outcome: { status: 'done', result } },
    });
    expect(await cloud.migrations.streams(MIGRATION)).toMatchObject([{ side: 'destination', wireBytes: 77 }]);
  });

  it('that failed fails the state with the error’s code, in a size that the workflow can carry', async () => {
    const { id: task, outcome } = await post(cloud, 'a/h1', seed());
    const cause = { code: 'EIO', message: 'x'.repeat(4000), data: { dump: 'x'.repeat(100_000) } };
    const error = { code: 'LAYER_CHANGED', message: 'it changed', hint: 'stop it', data: { layer: 'x' }, cause };
    await cloud.call('reportTask', 'h1', {
      params: { task },
      body: { attempt: 1, outcome: { status: 'failed', error } },
    });
    const told = await outcome;
    expect(told).toMatchObject({
      status: 'failed',
      error: { code: 'LAYER_CHANGED', hint: 'stop it', data: { layer: 'x' } },
    });
    expect(JSON.stringify(told).length).toBeLessThan(4000);
  });

  it('cannot pass for one of the workflow’s own errors', async () => {
    const { id: task, outcome } = await post(cloud, 'a/h1', seed());
    const error = { code: 'States.Timeout', message: 'again, please' };
    await cloud.call('reportTask', 'h1', {
      params: { task },
      body: { attempt: 1, outcome: { status: 'failed', error } },
    });
    expect(await outcome).toMatchObject({ error: { code: 'AGENT_FAILED' } });
  });

  it('is taken though the workflow waits no longer', async () => {
    const { id: task, token } = await post(cloud, 'a/h1', survey('web-1', 'web-2'));
    cloud.workflow.abandon(token);
    await cloud.call('reportTask', 'h1', { params: { task }, body: done(both) });
    expect((await cloud.tasks.find(task))?.state).toBe('closed');
  });
});
