import { beforeEach, describe, expect, it } from 'vitest';
import { createManualClock, type ManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { Bell } from '../../agent/daemon/bell.ts';
import { Inbox } from '../../agent/daemon/inbox.ts';
import { createPatientClient } from '../../agent/daemon/patient-client.ts';
import { createPlaces } from '../../agent/daemon/places.ts';
import { reportable } from '../../agent/daemon/reportable.ts';
import { Runs, type RunsOptions } from '../../agent/daemon/runs.ts';
import { abortable } from '../../agent/flow/abortable.ts';
import { onceBegun } from '../../agent/flow/once-begun.ts';
import { IncomingWords } from '../../agent/tasks/incoming-word.ts';
import type { TaskRun } from '../../agent/tasks/task.ts';
import { errorJson } from '../../core/api/agent.ts';
import type { TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { roundCursor, roundsBegin } from '../../core/records.ts';
import { coded, keptLog, scripted } from './support.ts';

const MIGRATION = `m${'0'.repeat(20)}`;
const STREAM = 'ud:web-1';
const silence = { receipts: [], incoming: [], settled: [] };
const last = (run: number, attempt: number, sequence: number) => roundCursor({ run, round: 'last', attempt }, sequence);
const never = new AbortController().signal;

const round = (cursor: string, layer_id?: string) => ({
  migration: MIGRATION,
  stream: STREAM,
  cursor,
  segments: [],
  ...(layer_id === undefined ? {} : { layer_id }),
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
    const read = readAll(inbox.rounds({ migration: MIGRATION, run: 1, stream: STREAM }, never));
    await clock.advance(0);
    expect(inbox.wants().following).toEqual([{ migration: MIGRATION, stream: STREAM, after: roundsBegin(1) }]);
    inbox.deliver({ rounds: [round('1'), round('2')], ...silence });
    inbox.deliver({ rounds: [round('2'), round('3')], ...silence });
    expect(inbox.wants().following[0]?.after).toBe('3');
    inbox.deliver({ rounds: [round('4', 'a'.repeat(64)), round('5')], ...silence });
    expect(await read).toEqual(['1', '2', '3', '4']);
    expect(inbox.wants().following).toEqual([]);
  });

  it('gives no round that an earlier run of the migration told of', async () => {
    const read = readAll(inbox.rounds({ migration: MIGRATION, run: 2, stream: STREAM }, never));
    await clock.advance(0);
    const cursors = [last(1, 9, 9), last(2, 10, 0)];
    inbox.deliver({ rounds: cursors.map((cursor) => round(cursor, 'a'.repeat(64))), ...silence });
    expect(await read).toEqual([last(2, 10, 0)]);
  });

  it('asks for no more rounds while many wait to be read', async () => {
    const rounds = inbox.rounds({ migration: MIGRATION, run: 1, stream: STREAM }, never);
    const first = rounds.next();
    const many = Array.from({ length: limits.rounds_per_poll_max + 1 }, (_, at) =>
      round(`1.${String(at).padStart(3, '0')}`),
    );
    inbox.deliver({ rounds: many, ...silence });
    await first;
    expect(inbox.wants().following).toEqual([]);
    await rounds.next();
    expect(inbox.wants().following).toHaveLength(1);
    await rounds.return(undefined);
    expect(inbox.wants().following).toEqual([]);
  });

  it('stops to wait when the task is stopped', async () => {
    const stop = new AbortController();
    const read = inbox.rounds({ migration: MIGRATION, run: 1, stream: STREAM }, stop.signal).next();
    const receipt = inbox.receipt(MIGRATION, 'web-1', stop.signal);
    stop.abort(coded('TASK_CANCELLED'));
    await expect(read).rejects.toMatchObject({ code: 'TASK_CANCELLED' });
    await expect(receipt).rejects.toMatchObject({ code: 'TASK_CANCELLED' });
    expect(inbox.wants()).toEqual({ following: [], awaiting: [], expecting: [], settling: [] });
  });

  it('asks for no more rounds once the work with them has failed, though it waited for the next one', async () => {
    const begin = (signal: AbortSignal) => inbox.rounds({ migration: MIGRATION, run: 1, stream: STREAM }, signal);
    const working = onceBegun(begin, never, async (rounds) => {
      const each = rounds[Symbol.asyncIterator]();
      await each.next();
      each.next().catch(() => undefined);
      await clock.sleep(1);
      throw coded('CHUNK_CORRUPT');
    });
    inbox.deliver({ rounds: [round('1')], ...silence });
    const failed = expect(working).rejects.toMatchObject({ code: 'CHUNK_CORRUPT' });
    await clock.advance(1);
    await failed;
    await clock.advance(0);
    expect(inbox.wants().following).toEqual([]);
    expect(inbox.waitingSinceMs).toBeUndefined();
  });

  it('is not waited for by who needs its words no more', async () => {
    const words = new IncomingWords((until) => inbox.incoming(MIGRATION, 'web-1', until), never);
    const waiting = words.until({ cursors: new Map(), cutover: 'ram' });
    waiting.catch(() => undefined);
    await words.close();
    expect(inbox.wants().expecting).toEqual([]);
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
      ...silence,
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
        throw coded(failures[said.length - 1]!);
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
    const stopped = places(AbortSignal.abort(coded('STOPPED')), async () => order.push('third'));
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
  const input: TaskInput = { kind: 'seed', migration: MIGRATION, run: 1, chunk_bytes: 65_536, layers: [] };
  const task = (attempt: number) => ({ id: `${MIGRATION}.seed.a.h1`, attempt, input });
  const done: TaskResult = { kind: 'seed', streams: [] };
  let reports: unknown[];
  let runs: Runs;
  let work: (run: TaskRun) => Promise<TaskResult>;

  beforeEach(() => {
    reports = [];
    work = async () => done;
    runs = new Runs(options());
  });

  const options = (): RunsOptions => ({
    api: scripted((_, { body }) => void reports.push(body)),
    clock: systemClock,
    log: keptLog(),
    storeFor: () => ({ close: () => undefined }) as ReturnType<RunsOptions['storeFor']>,
    perform: (_, run) => work(run),
    onEnd: () => undefined,
  });

  /** Runs until it is stopped. */
  const forever = (run: TaskRun) =>
    new Promise<TaskResult>((_, reject) => run.signal.addEventListener('abort', () => reject(run.signal.reason)));

  it('report what they found, or why they failed', async () => {
    runs.start([task(1)]);
    await expect.poll(() => reports).toEqual([{ attempt: 1, outcome: { status: 'done', result: done } }]);
    work = async () => {
      throw coded('DISK_FULL');
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

  it('are done, though a poll finds them cancelled while their report is on its way', async () => {
    const answered = Promise.withResolvers<void>();
    const log = keptLog();
    let told = 0;
    const api = scripted((_, { body, signal }) => {
      reports.push(body);
      return abortable(answered.promise, signal!);
    });
    const reporting = new Runs({ ...options(), api, log, onDone: async () => void told++ });
    reporting.start([task(1)]);
    await expect.poll(() => reports).toHaveLength(1);
    reporting.cancel([task(1).id]);
    answered.resolve();
    await expect.poll(() => reporting.count).toBe(0);
    expect(told).toBe(1);
    expect(log.lines.at(-1)).toMatchObject({ message: 'task done' });
  });

  it('have time to finish what they are sending when the agent stops, and no more than that', async () => {
    const story: string[] = [];
    const asked = Promise.withResolvers<void>();
    work = async (run) => {
      story.push('begun');
      await forever(run).catch(() => undefined);
      story.push(`asked to end, cut: ${run.cut.aborted}`);
      asked.resolve();
      await new Promise<void>((resolve) => run.cut.addEventListener('abort', () => resolve()));
      throw run.cut.reason;
    };
    const sleep = (ms: number) => asked.promise.then(() => void story.push(`waited ${ms}`));
    const draining = new Runs({ ...options(), clock: { ...systemClock, sleep } });
    draining.start([task(1)]);
    await expect.poll(() => story).toEqual(['begun']);
    await draining.stop();
    expect(story).toEqual(['begun', 'asked to end, cut: false', `waited ${limits.agent_drain_ms}`]);
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
      throw coded('ATTEMPT_STALE');
    };
    runs.start([task(1)]);
    await expect.poll(() => runs.count).toBe(0);
    expect(reports).toEqual([]);
  });
});
