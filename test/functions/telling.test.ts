import { beforeEach, describe, expect, it } from 'vitest';
import type { TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { limits } from '../../core/limits.ts';
import { roundCursor } from '../../core/records.ts';
import { createEnrolledCloud, MIGRATION, post, type TestCloud } from './support/cloud.ts';
import { counts, cutover, follow, id, seed, survey, surveyed, transfer } from './support/samples.ts';
import { createStepped } from './support/steps.ts';

/** What functions tell whoever operates them: lines that name what they are about, and measures. */
let cloud: TestCloud;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
});

const linesOf = (message: string) => cloud.lines.filter((line) => line.message === message);
const measured = (name: string) => cloud.measured.filter(([of]) => of === name).map(([, ...value]) => value);

function poll(host: 'h1' | 'h2', task?: string, progress: ReturnType<typeof counts>[] = []) {
  const running = task === undefined ? [] : [{ task, attempt: 1, progress }];
  const body = { instance: '1'.repeat(16), free_bytes: 1e12, running, following: [], awaiting: [] };
  return cloud.call('poll', host, { params: { site: host === 'h1' ? 'a' : 'b', host }, body });
}

describe('lines', () => {
  it('of a request name the migration that came of it, and the request of the API', async () => {
    const body = { request_id: 'request-1', vms: ['web-1'], to: 'b/h2' as const };
    const { id: migration } = await cloud.call('createMigration', 'user', { body });
    expect(linesOf('answered').at(-1)).toMatchObject({
      call: 'createMigration',
      migration,
      request_id: 'request-1',
      request: 'request-of-createMigration',
      namespace: 'default',
    });
  });

  it('of a task name its migration, run and host', async () => {
    const { id: task } = await post(cloud, 'a/h1', seed([]));
    await poll('h1');
    const about = { migration: MIGRATION, run: 1, task };
    expect(linesOf('task handed out')).toMatchObject([about]);
    const body = { attempt: 1, packs: [] };
    await cloud.send('announcePacks', { params: { task }, body });
    expect(linesOf('refused').at(-1)).toMatchObject({ task, migration: MIGRATION, code: expect.any(String) });
    const outcome = { status: 'done' as const, result: { kind: 'seed' as const, streams: [] } };
    await cloud.call('reportTask', 'h1', { params: { task }, body: { attempt: 1, outcome } });
    expect(linesOf('answered').at(-1)).toMatchObject({ ...about, call: 'reportTask', host: 'a/h1' });
  });

  it('of a failure that the caller is not told of are found by what he is told', async () => {
    cloud.migrations.list = async () => {
      throw new Error('the table is away');
    };
    const { instance, detail } = await cloud.refused('listMigrations', 'user', {});
    expect(instance).toBe('urn:layermover:request:request-of-listMigrations');
    expect(detail).not.toContain('table');
    expect(linesOf('failed')).toMatchObject([{ request: 'request-of-listMigrations' }]);
  });

  it('of the workflow name migration and run, and never a token', async () => {
    await cloud.step({ step: 'prepare', migration: MIGRATION, run: 3 }).catch(() => undefined);
    expect(linesOf('step refused')).toMatchObject([{ step: 'prepare', migration: MIGRATION, run: 3 }]);
    const dispatch = { step: 'dispatch', migration: MIGRATION, run: 1, kind: 'survey', what: 'a/h1', token: 'secret' };
    await cloud.step(dispatch).catch(() => undefined);
    expect(JSON.stringify(cloud.lines)).not.toContain('secret');
  });
});

describe('measures', () => {
  it('of how long a task waited for its agent', async () => {
    await post(cloud, 'a/h1', survey('web-1'));
    await cloud.clock.advance(1234);
    await poll('h1');
    expect(measured('TaskQueueTime')).toEqual([[1234]]);
  });

  it('of what a source held, sent and found, by treatment', async () => {
    const base = surveyed('os', 'debian', null);
    const { id: task } = await post(cloud, 'a/h1', seed([transfer(id('debian'), 'dedup', base)]));
    const [stream, cursor] = [id('debian'), roundCursor({ run: 1, round: 'last', attempt: 1 }, 0)];
    await cloud.migrations.appendRound(MIGRATION, { stream, cursor, segments: [], layerId: stream });
    const streams = [{ ...counts(stream, 300), total_bytes: 4000, deduped_bytes: 1000 }];
    const report = { attempt: 1, outcome: { status: 'done' as const, result: { kind: 'seed' as const, streams } } };
    await cloud.call('reportTask', 'h1', { params: { task }, body: report });
    expect(measured('LogicalBytes')).toEqual([[4000, 'dedup']]);
    expect(measured('WireBytes')).toEqual([[300, 'dedup']]);
    expect(measured('DedupShare')).toEqual([[25]]);
    expect(measured('RoundTime')).toEqual([]);
  });

  it('of rounds, and of the destination’s counts none', async () => {
    const result = (kind: 'cutover' | 'follow') => ({ kind, streams: [counts('ud:web-1')] });
    const done = (kind: 'cutover' | 'follow') => ({
      attempt: 1,
      outcome: { status: 'done' as const, result: result(kind) },
    });
    const out = await post(cloud, 'a/h1', cutover('web-1'));
    await cloud.call('reportTask', 'h1', { params: { task: out.id }, body: done('cutover') });
    const into = await post(cloud, 'b/h2', follow('web-1'));
    await cloud.call('reportTask', 'h2', { params: { task: into.id }, body: done('follow') });
    expect(measured('RoundTime')).toEqual([[500]]);
    expect(measured('WireBytes')).toEqual([[100, 'direct']]);
  });
});

describe('of a running VM', () => {
  it('rounds are measured one by one, what they sent once, and its pause', async () => {
    const vm = { name: 'web-1', run: 1, source: 'a/h1', epoch: 0, state: 'moving' } as const;
    await cloud.migrations.putVm(MIGRATION, vm);
    const live = { cutover: 'ram', max_downtime_ms: 300 } as const;
    const last = { ...(cutover('web-1') as Extract<TaskInput, { kind: 'cutover' }>), live };
    const stats = { round: 0, dirty_bytes: 9, sent_bytes: 9, milliseconds: 70, remaining_bytes: 0 };
    const rates = { guest_write_bytes_per_second: 1, link_bytes_per_second: 1 };
    const streams = [counts('ud:web-1')];
    for (const [input, result] of [
      [
        { ...last, kind: 'round', round: 0, live: undefined },
        { kind: 'round', stats: { ...stats, ...rates }, streams },
      ],
      [last, { kind: 'cutover', streams, blackout: { total_ms: 42, storage_ms: 20, last_bytes: 1 } }],
    ] as [TaskInput, TaskResult][]) {
      const { id: task } = await post(cloud, 'a/h1', input);
      const body = { attempt: 1, outcome: { status: 'done' as const, result } };
      await cloud.call('reportTask', 'h1', { params: { task }, body });
    }
    expect(measured('RoundTime')).toEqual([[70]]);
    expect(measured('Blackout')).toEqual([[42]]);
    expect(measured('WireBytes')).toEqual([[100, 'direct']]);
  });
});

describe('the workflow tells', () => {
  it('of an agent that fell silent when its task is handed out anew, and when that was the last time', async () => {
    const s = await createStepped();
    await s.planned();
    const dispatch = (token: string) => s.step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token });
    const silent = () => s.cloud.measured.filter(([name]) => name === 'SilentAgents').length;
    await dispatch('first');
    await dispatch('first');
    expect(silent()).toBe(0);
    await dispatch('second');
    expect(silent()).toBe(1);
    await s.step({ step: 'rollback', error: { Error: 'States.HeartbeatTimeout', Cause: null } });
    expect(silent()).toBe(2);
    await s.step({ step: 'rollback', error: { Error: 'DISK_FULL', Cause: null } });
    expect(silent()).toBe(2);
  });

  it('what layers hold that are skipped', async () => {
    const s = await createStepped();
    const bases = [id('debian'), id('lamp')];
    const shape = {
      virtualBytes: 1 << 30,
      chunkBytes: 65_536,
      dataBytes: 5,
      recordedMs: 1,
      parent: null,
      kind: 'os',
    } as const;
    for (const layerId of bases) await s.cloud.layers.record('default', { ...shape, layerId, name: 'x' });
    await s.cloud.layers.announce('default', 'b/h2', bases);
    await s.planned();
    const skipped = s.cloud.measured.filter(([, , treatment]) => treatment === 'skip');
    expect(skipped).toEqual(Array(4).fill(['LogicalBytes', 1 << 25, 'skip']));
  });
});

describe('a standstill', () => {
  it('is told of once nothing of a migration has moved for its time, and not as long as one side moves', async () => {
    const source = await post(cloud, 'a/h1', cutover('web-1'));
    const destination = await post(cloud, 'b/h2', follow('web-1'));
    await Promise.all([poll('h1'), poll('h2')]);
    const still = counts('ud:web-1');
    const moving = { ...still, done_bytes: 1 };
    await poll('h1', source.id, [still]);
    await cloud.clock.advance(limits.standstill_told_ms - 1);
    await poll('h2', destination.id, [moving]);
    await cloud.clock.advance(limits.standstill_told_ms - 1);
    await poll('h1', source.id, [still]);
    expect(measured('Standstill')).toEqual([]);
    await cloud.clock.advance(limits.progress_ms);
    await poll('h1', source.id, [still]);
    await poll('h2', destination.id, [moving]);
    expect(measured('Standstill')).toEqual([[limits.standstill_told_ms - 1 + limits.progress_ms]]);
    expect(linesOf('nothing of this migration has moved for a while')).toMatchObject([{ migration: MIGRATION }]);
  });

  it('does not count from before the task was posted: a resumed migration may begin with old counts', async () => {
    const first = await post(cloud, 'a/h1', cutover('web-1'));
    await poll('h1');
    await poll('h1', first.id, [counts('ud:web-1')]);
    await cloud.tasks.cancel(first.id);
    await cloud.clock.advance(limits.standstill_alarm_ms);
    const again = await post(cloud, 'a/h1', cutover('web-1'), { token: 'again' });
    const { tasks } = await poll('h1');
    const running = [{ task: again.id, attempt: tasks[0]!.attempt, progress: [counts('ud:web-1')] }];
    const body = { instance: '1'.repeat(16), free_bytes: 1e12, running, following: [], awaiting: [] };
    await cloud.call('poll', 'h1', { params: { site: 'a', host: 'h1' }, body });
    expect(measured('Standstill')).toEqual([]);
  });
});
