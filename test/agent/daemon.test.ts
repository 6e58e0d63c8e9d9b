import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ApiClient } from '../../adapters/api/client.ts';
import { createManualClock, type ManualClock } from '../../adapters/memory/manual-clock.ts';
import { Bell } from '../../agent/daemon/bell.ts';
import { Enrolment } from '../../agent/daemon/enrolment.ts';
import { Inbox } from '../../agent/daemon/inbox.ts';
import { lockStateFolder } from '../../agent/daemon/lock.ts';
import { createPatientClient } from '../../agent/daemon/patient-client.ts';
import { createPlaces } from '../../agent/daemon/places.ts';
import { PollLoop } from '../../agent/daemon/poll-loop.ts';
import { reportable } from '../../agent/daemon/reportable.ts';
import { Runs } from '../../agent/daemon/runs.ts';
import type { TaskRun } from '../../agent/tasks/task.ts';
import { errorJson, type PollAnswer, type PollRequest } from '../../core/api/agent.ts';
import type { RouteName } from '../../core/api/routes.ts';
import type { TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { eachFolder, keptLog } from './support.ts';

const folder = eachFolder();
const MIGRATION = `m${'0'.repeat(20)}`;
const STREAM = 'ud:web-1';
const nothing: PollAnswer = { tasks: [], cancelled: [], rounds: [], receipts: [] };
const never = new AbortController().signal;

/** A client whose answers a test gives. */
function scripted(answer: (name: RouteName, call: { body?: unknown; signal?: AbortSignal }) => unknown): ApiClient {
  return { call: async (name: RouteName, call: object = {}) => answer(name, call) } as ApiClient;
}

const seconds = (code: string) => new LayerMoverError(code, code);
const round = (cursor: string, layer_id?: string) => ({
  migration: MIGRATION,
  stream: STREAM,
  cursor,
  segments: [],
  ...(layer_id === undefined ? {} : { layer_id }),
});

describe('the lock of a state folder', () => {
  it('lets one agent in, and the next when it is given back', () => {
    const unlock = lockStateFolder(folder.at('state'));
    expect(() => lockStateFolder(folder.at('state'))).toThrow(expect.objectContaining({ code: 'AGENT_RUNNING' }));
    lockStateFolder(folder.at('other'))();
    unlock();
    lockStateFolder(folder.at('state'))();
  });

  it('ends with its process, however that ends', async () => {
    const lock = new URL('../../agent/daemon/lock.ts', import.meta.url).href;
    const script = `const { lockStateFolder } = await import('${lock}');
      lockStateFolder(process.argv[1]); console.log('locked'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder.at('state')]);
    await once(child.stdout, 'data');
    expect(() => lockStateFolder(folder.at('state'))).toThrow(expect.objectContaining({ code: 'AGENT_RUNNING' }));
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockStateFolder(folder.at('state'))();
  });
});

async function readAll(rounds: AsyncIterable<{ cursor: string }>): Promise<string[]> {
  const cursors: string[] = [];
  for await (const { cursor } of rounds) cursors.push(cursor);
  return cursors;
}

describe('an inbox', () => {
  let clock: ManualClock;
  let inbox: Inbox;
  beforeEach(() => {
    clock = createManualClock();
    inbox = new Inbox(clock, new Bell());
  });

  it('gives rounds in order, each once, and ends with the one that names the layer', async () => {
    const read = readAll(inbox.rounds(MIGRATION, STREAM, never));
    await clock.advance(0);
    expect(inbox.wants().following).toEqual([{ migration: MIGRATION, stream: STREAM, after: undefined }]);
    inbox.deliver({ rounds: [round('1'), round('2')], receipts: [] });
    inbox.deliver({ rounds: [round('2'), round('3')], receipts: [] });
    expect(inbox.wants().following[0]?.after).toBe('3');
    inbox.deliver({ rounds: [round('4', 'a'.repeat(64)), round('5')], receipts: [] });
    expect(await read).toEqual(['1', '2', '3', '4']);
    expect(inbox.wants().following).toEqual([]);
  });

  it('asks for no more rounds while many wait to be read', async () => {
    const rounds = inbox.rounds(MIGRATION, STREAM, never);
    const first = rounds.next();
    const many = Array.from({ length: limits.rounds_per_poll_max + 1 }, (_, at) => round(String(at).padStart(3, '0')));
    inbox.deliver({ rounds: many, receipts: [] });
    await first;
    expect(inbox.wants().following).toEqual([]);
    await rounds.next();
    expect(inbox.wants().following).toHaveLength(1);
    await rounds.return(undefined);
    expect(inbox.wants().following).toEqual([]);
  });

  it('stops to wait when the task is stopped', async () => {
    const stop = new AbortController();
    const read = inbox.rounds(MIGRATION, STREAM, stop.signal).next();
    const receipt = inbox.receipt(MIGRATION, 'web-1', stop.signal);
    stop.abort(seconds('TASK_CANCELLED'));
    await expect(read).rejects.toMatchObject({ code: 'TASK_CANCELLED' });
    await expect(receipt).rejects.toMatchObject({ code: 'TASK_CANCELLED' });
    expect(inbox.wants()).toEqual({ following: [], awaiting: [] });
  });

  it('gives a receipt to who waits for it', async () => {
    const waiting = inbox.receipt(MIGRATION, 'web-1', never);
    expect(inbox.wants().awaiting).toEqual([{ migration: MIGRATION, vm: 'web-1' }]);
    const receipt = {
      vm: 'web-1',
      migration: MIGRATION,
      side: 'destination',
      chunkBytes: 1,
      layers: [],
      atMs: 0,
    } as const;
    inbox.deliver({
      rounds: [],
      receipts: [
        { ...receipt, vm: 'web-2', layers: [] },
        { ...receipt, layers: [] },
      ],
    });
    expect(await waiting).toEqual(receipt);
  });
});

describe('a patient client', () => {
  it('asks until it is answered, and takes a refusal for an answer', async () => {
    const clock = createManualClock();
    const failures = ['API_UNREACHABLE', 'INTERNAL', 'API_THROTTLED', 'ATTEMPT_STALE'];
    const said: string[] = [];
    const api = createPatientClient(
      scripted((name) => {
        said.push(name);
        throw seconds(failures[said.length - 1]!);
      }),
      clock,
    );
    const call = api.call('listHosts');
    call.catch(() => undefined);
    await clock.advance(limits.poll_idle_ms * failures.length);
    await expect(call).rejects.toMatchObject({ code: 'ATTEMPT_STALE' });
    expect(said).toHaveLength(4);
  });
});

describe('places', () => {
  it('let so many work at a time, and who is stopped does not wait', async () => {
    const places = createPlaces(1);
    const gate = Promise.withResolvers<void>();
    const order: string[] = [];
    const first = places(never, () => gate.promise.then(() => order.push('first')));
    const second = places(never, async () => order.push('second'));
    const stopped = places(AbortSignal.abort(seconds('STOPPED')), async () => order.push('third'));
    await expect(stopped).rejects.toMatchObject({ code: 'STOPPED' });
    gate.resolve();
    await Promise.all([first, second]);
    expect(order).toEqual(['first', 'second']);
  });
});

describe('errors in reports', () => {
  it('are cut to what the API takes', () => {
    const long = 'x'.repeat(10_000);
    const cause = new LayerMoverError(long, long, { hint: long });
    const json = reportable(new LayerMoverError('CODE', 'message', { cause }));
    expect(errorJson.safeParse(json).success).toBe(true);
    expect(json).toMatchObject({ code: 'CODE', message: 'message' });
  });
});

describe('running tasks', () => {
  const input: TaskInput = { kind: 'seed', migration: MIGRATION, chunk_bytes: 65_536, layers: [] };
  const task = (attempt: number) => ({ id: `${MIGRATION}.seed.a.h1`, attempt, input });
  const done: TaskResult = { kind: 'seed', streams: [] };
  let reports: unknown[];
  let runs: Runs;
  let work: (run: TaskRun) => Promise<TaskResult>;

  beforeEach(() => {
    reports = [];
    work = async () => done;
    runs = new Runs({
      api: scripted((_, { body }) => void reports.push(body)),
      log: keptLog(),
      storeFor: () => ({ close: () => undefined }) as ReturnType<ConstructorParameters<typeof Runs>[0]['storeFor']>,
      perform: (_, run) => work(run),
      onEnd: () => undefined,
    });
  });

  /** Runs until it is stopped. */
  const forever = (run: TaskRun) =>
    new Promise<TaskResult>((_, reject) => run.signal.addEventListener('abort', () => reject(run.signal.reason)));

  it('report what they found, or why they failed', async () => {
    runs.start([task(1)]);
    await expect.poll(() => reports).toEqual([{ attempt: 1, outcome: { status: 'done', result: done } }]);
    work = async () => {
      throw seconds('DISK_FULL');
    };
    runs.start([task(2)]);
    const error = { code: 'DISK_FULL', message: 'DISK_FULL' };
    await expect.poll(() => reports[1]).toEqual({ attempt: 2, outcome: { status: 'failed', error } });
    expect(runs.count).toBe(0);
  });

  it('tell polls how far they are', async () => {
    const counts = {
      stream: STREAM,
      done_bytes: 1,
      total_bytes: 2,
      wire_bytes: 3,
      stored_bytes: 4,
      deduped_bytes: 5,
      milliseconds: 6,
    };
    work = (run) => {
      run.progress({ ...counts, done_bytes: 0 });
      run.progress(counts);
      return forever(run);
    };
    runs.start([task(1)]);
    await expect.poll(() => runs.list()).toEqual([{ task: task(1).id, attempt: 1, progress: [counts] }]);
    await runs.stop();
  });

  it('say nothing when they are cancelled or the agent stops', async () => {
    work = forever;
    runs.start([task(1)]);
    runs.cancel([task(1).id, 'unknown']);
    await expect.poll(() => runs.count).toBe(0);
    runs.start([task(2)]);
    await runs.stop();
    expect(runs.count).toBe(0);
    expect(reports).toEqual([]);
  });

  it('never overlap with another attempt at the same task', async () => {
    const events: string[] = [];
    work = async (run) => {
      events.push(`begin ${run.attempt}`);
      await forever(run).catch(() => undefined);
      await new Promise((resolve) => setImmediate(resolve));
      events.push(`end ${run.attempt}`);
      throw run.signal.reason;
    };
    runs.start([task(1)]);
    await expect.poll(() => events).toEqual(['begin 1']);
    for (const attempt of [1, 3, 2]) runs.start([task(attempt)]);
    await expect.poll(() => events).toEqual(['begin 1', 'end 1', 'begin 3']);
    await runs.stop();
    expect(events.at(-1)).toBe('end 3');
    expect(reports).toEqual([]);
  });

  it('have nothing to add when they are out of date', async () => {
    work = async () => {
      throw seconds('ATTEMPT_STALE');
    };
    runs.start([task(1)]);
    await expect.poll(() => runs.count).toBe(0);
    expect(reports).toEqual([]);
  });
});

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
    const catalog = { bases: async () => ['a'.repeat(64)] };
    const known = { images, catalog } as unknown as Pick<
      ConstructorParameters<typeof Enrolment>[0],
      'images' | 'catalog'
    >;
    const enrolment = new Enrolment({ ...known, ref: 'a/h1', api, clock, version: '1', freeBytes });
    runs = new Runs({
      api,
      log,
      storeFor: () => ({ close: () => undefined }) as ReturnType<ConstructorParameters<typeof Runs>[0]['storeFor']>,
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
      stop.abort(seconds('AGENT_STOPPED'));
      await running;
    };
  });

  const task = {
    id: `${MIGRATION}.seed.a.h1`,
    attempt: 1,
    input: { kind: 'seed', migration: MIGRATION, chunk_bytes: 65_536, layers: [] },
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
    expect(await pollsIn(20_000)).toBe(10);
    expect(enrolments).toEqual([{ version: '1', vms: ['web-1'], layers: ['a'.repeat(64)], free_bytes: 1000 }]);
    vms = ['web-1', 'web-2'];
    await clock.advance(limits.rescan_ms);
    expect(enrolments).toHaveLength(2);
    expect(polls[0]).toEqual({ instance: 'f'.repeat(32), free_bytes: 1000, running: [], following: [], awaiting: [] });
  });

  it('polls often while a task runs and for a while afterwards, and looks for news after it', async () => {
    const end = Promise.withResolvers<TaskResult>();
    work = () => end.promise;
    await give();
    expect(await pollsIn(1000)).toBe(4);
    expect(polls.at(-1)?.running).toEqual([{ task: task.id, attempt: 1, progress: [] }]);
    vms = [];
    end.resolve({ kind: 'seed', streams: [] });
    expect(await pollsIn(1000)).toBeGreaterThanOrEqual(4);
    expect(enrolments).toHaveLength(2);
    expect(polls.at(-1)?.running).toEqual([]);
    await clock.advance(limits.poll_linger_ms);
    expect(await pollsIn(10_000)).toBe(5);
  });

  it('polls at once and fast when a task begins to wait, ever slower the longer it takes', async () => {
    await give();
    const receipt = inbox.receipt(MIGRATION, 'web-1', stop.signal);
    receipt.catch(() => undefined);
    expect(await pollsIn(0)).toBe(1);
    expect(await pollsIn(400)).toBe(8);
    expect(await pollsIn(10_000)).toBeLessThan(60);
    expect(await pollsIn(1000)).toBe(4);
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
    await clock.advance(300);
    expect(reason).toMatchObject({ code: 'TASK_CANCELLED' });
    expect(runs.count).toBe(0);
  });

  it('goes on while the cloud is away, and says so once; enrols again where it is not known', async () => {
    await clock.advance(0);
    answer = () => {
      throw seconds('API_UNREACHABLE');
    };
    expect(await pollsIn(20_000)).toBe(10);
    answer = () => {
      throw seconds('HOST_UNKNOWN');
    };
    await clock.advance(limits.poll_idle_ms);
    answer = () => nothing;
    await clock.advance(limits.poll_idle_ms);
    expect(enrolments).toHaveLength(2);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'info']);
  });
});
