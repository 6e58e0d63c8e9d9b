import { beforeEach, describe, expect, it } from 'vitest';
import { createManualClock, type ManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { Bell } from '../../agent/daemon/bell.ts';
import { Enrolment, type EnrolmentOptions } from '../../agent/daemon/enrolment.ts';
import { Inbox } from '../../agent/daemon/inbox.ts';
import { PollLoop } from '../../agent/daemon/poll-loop.ts';
import { Runs, type RunsOptions } from '../../agent/daemon/runs.ts';
import type { TaskRun } from '../../agent/tasks/task.ts';
import type { PollAnswer, PollRequest } from '../../core/api/agent.ts';
import type { TaskResult } from '../../core/api/tasks.ts';
import { limits } from '../../core/limits.ts';
import { coded, keptLog, scripted } from './support.ts';

const MIGRATION = `m${'0'.repeat(20)}`;
const nothing: PollAnswer = { tasks: [], cancelled: [], rounds: [], receipts: [], incoming: [], settled: [] };

describe('the poll loop', () => {
  let clock: ManualClock;
  let polls: PollRequest[];
  let enrolments: unknown[];
  let vms: string[];
  let answer: () => PollAnswer;
  let loop: PollLoop;
  let inbox: Inbox;
  let runs: Runs;
  let wake: Bell;
  const log = keptLog();
  let stop: AbortController;
  let running: Promise<void>;
  let work: (run: TaskRun) => Promise<TaskResult>;

  beforeEach(() => {
    clock = createManualClock();
    [polls, enrolments, vms] = [[], [], ['web-1']];
    answer = () => nothing;
    work = () => new Promise(() => undefined);
    log.lines.length = 0;
    wake = new Bell();
    inbox = new Inbox(clock, wake);
    const api = scripted((name, { body }) => {
      if (name === 'enrolHost') return void enrolments.push(body);
      if (name !== 'poll') return undefined;
      polls.push(body as PollRequest);
      return answer();
    });
    const freeBytes = async () => 1000;
    const images = { vms: async () => vms.map((name) => ({ name })) };
    const catalog = { bases: async () => ({ held: ['a'.repeat(64)], lost: [] }) };
    const known = { images, catalog } as unknown as Pick<EnrolmentOptions, 'images' | 'catalog'>;
    const brought = { has: () => false };
    const measures = { rates: () => ({}) };
    const enrolment = new Enrolment({ ...known, brought, measures, ref: 'a/h1', api, clock, version: '1', freeBytes });
    runs = new Runs({
      api,
      clock: systemClock,
      log,
      storeFor: () => ({ close: () => undefined }) as ReturnType<RunsOptions['storeFor']>,
      perform: (_, run) => work(run),
      onEnd: () => {
        enrolment.expire();
        wake.ring();
      },
    });
    const tidy = async () => undefined;
    loop = new PollLoop({
      ref: 'a/h1',
      instance: 'f'.repeat(32),
      api,
      clock,
      log,
      enrolment,
      runs,
      inbox,
      tidy,
      freeBytes,
      wake,
    });
    stop = new AbortController();
    running = loop.run(stop.signal);
    return async () => {
      stop.abort(coded('AGENT_STOPPED'));
      await running;
    };
  });

  const task = {
    id: `${MIGRATION}.seed.a.h1`,
    attempt: 1,
    input: { kind: 'seed', migration: MIGRATION, run: 1, chunk_bytes: 65_536, layers: [] },
  } as const;
  /** Hands the task out with the next poll, which comes now. */
  async function give(): Promise<void> {
    answer = () => {
      answer = () => nothing;
      return { ...nothing, tasks: [{ ...task, input: { ...task.input, layers: [] } }] };
    };
    await clock.advance(0);
    wake.ring();
    await clock.advance(0);
  }

  /** Polls within so many milliseconds. */
  async function pollsIn(ms: number): Promise<number> {
    const before = polls.length;
    await clock.advance(ms);
    return polls.length - before;
  }

  it('enrols, again only if there is news, and polls seldom while there is nothing to do', async () => {
    await clock.advance(0);
    expect(polls).toHaveLength(1);
    expect(await pollsIn(10 * limits.poll_idle_ms)).toBe(10);
    expect(enrolments).toEqual([
      { version: '1', vms: ['web-1'], layers: ['a'.repeat(64)], rates: {}, lost: [], free_bytes: 1000 },
    ]);
    vms = ['web-1', 'web-2'];
    await clock.advance(limits.rescan_ms);
    expect(enrolments).toHaveLength(2);
    const silent = { running: [], following: [], awaiting: [], expecting: [], settling: [] };
    expect(polls[0]).toEqual({ instance: 'f'.repeat(32), free_bytes: 1000, ...silent });
  });

  it('hears of news that come while it looks', async () => {
    let looks = 0;
    const look = async () => {
      if (++looks === 1) enrolment.expire();
      return [{ name: `vm-${looks}` }];
    };
    const told: unknown[] = [];
    const api = scripted((_, { body }) => void told.push(body));
    const measures = { rates: () => ({}) };
    const images = { vms: look };
    const known = {
      images,
      measures,
      catalog: { bases: async () => ({ held: [], lost: [] }) },
    } as unknown as EnrolmentOptions;
    const options = { ...known, ref: 'a/h1', api, clock, version: '1', freeBytes: async () => 0 } as const;
    const enrolment: Enrolment = new Enrolment(options);
    for (let poll = 0; poll < 3; poll++) await enrolment.renew(stop.signal);
    expect(told).toMatchObject([{ vms: ['vm-1'] }, { vms: ['vm-2'] }]);
  });

  it('polls often while a task runs and for a while afterwards, and looks for news after it', async () => {
    const end = Promise.withResolvers<TaskResult>();
    work = () => end.promise;
    await give();
    expect(await pollsIn(4 * limits.poll_busy_ms)).toBe(4);
    expect(polls.at(-1)?.running).toEqual([{ task: task.id, attempt: 1, progress: [] }]);
    vms = [];
    end.resolve({ kind: 'seed', streams: [] });
    expect(await pollsIn(1000)).toBeGreaterThanOrEqual(4);
    expect(enrolments).toHaveLength(2);
    expect(polls.at(-1)?.running).toEqual([]);
    await clock.advance(limits.poll_linger_ms);
    expect(await pollsIn(5 * limits.poll_idle_ms)).toBe(5);
  });

  it('rests when there was nothing to do for long, and wakes up with the next task', async () => {
    await clock.advance(0);
    expect(await pollsIn(5 * limits.poll_idle_ms)).toBe(5);
    await clock.advance(limits.poll_rest_after_ms);
    expect(await pollsIn(10 * limits.poll_rest_ms)).toBe(10);
    await give();
    expect(await pollsIn(4 * limits.poll_busy_ms)).toBe(4);
  });

  it('polls at once and fast when a task begins to wait, ever slower the longer it takes', async () => {
    await give();
    const receipt = inbox.receipt(MIGRATION, 'web-1', stop.signal);
    receipt.catch(() => undefined);
    expect(await pollsIn(0)).toBe(1);
    expect(await pollsIn(limits.poll_wait_share * limits.poll_fast_ms)).toBe(limits.poll_wait_share);
    expect(await pollsIn(10_000)).toBeLessThan(60);
    expect(await pollsIn(4 * limits.poll_busy_ms)).toBe(4);
    expect(polls.at(-1)?.awaiting).toEqual([{ migration: MIGRATION, vm: 'web-1' }]);
  });

  it('stops what the cloud cancels', async () => {
    let reason: unknown;
    work = (run) =>
      new Promise((_, reject) => {
        run.signal.addEventListener('abort', () => {
          reason = run.signal.reason;
          reject(run.signal.reason);
        });
      });
    await give();
    answer = () => ({ ...nothing, cancelled: [task.id] });
    await clock.advance(limits.poll_busy_ms);
    expect(reason).toMatchObject({ code: 'TASK_CANCELLED' });
    expect(runs.count).toBe(0);
  });

  it('goes on while the cloud is away, and says so once; enrols again where it is not known', async () => {
    await clock.advance(0);
    answer = () => {
      throw coded('API_UNREACHABLE');
    };
    expect(await pollsIn(10 * limits.poll_idle_ms)).toBe(10);
    answer = () => {
      throw coded('HOST_UNKNOWN');
    };
    await clock.advance(limits.poll_idle_ms);
    answer = () => nothing;
    await clock.advance(limits.poll_idle_ms);
    expect(enrolments).toHaveLength(2);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'info']);
  });
});
