import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { limits } from '../../localstack/states/limits.ts';
import type { TestFunction } from './states-cloud.ts';
import { FunctionFailure, invoke, SimulatedClock, single, TestCloud, withToken } from './states-cloud.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'states-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const executionArn = 'arn:aws:states:eu-central-1:000000000000:execution:mover:one';
const journal = () => join(dir, 'mover', 'one.jsonl');

/** Workers outside of the cloud: they know the tokens they were handed and answer 2 s later, again after a restart. */
class Workers {
  readonly tokens = new Map<string, string>();

  readonly take: TestFunction = ({ token, input }: { token: string; input: unknown }, cloud) => {
    this.tokens.set(token, JSON.stringify({ worked: input }));
    cloud.clock.schedule(2_000, () => void this.#answer(cloud, token));
    return 'taken';
  };

  /** @returns how many of the tokens that they know were still waited for */
  async answerAll(cloud: TestCloud): Promise<number> {
    const answers = await Promise.all([...this.tokens.keys()].map((token) => this.#answer(cloud, token)));
    return answers.filter((code) => code === 'fine').length;
  }

  #answer(cloud: TestCloud, taskToken: string): Promise<string> {
    const output = this.tokens.get(taskToken)!;
    return cloud.call('SendTaskSuccess', { taskToken, output }).then(
      () => 'fine',
      ({ code }) => code,
    );
  }
}

const everything = {
  StartAt: 'First',
  TimeoutSeconds: 3_600,
  States: {
    First: { ...invoke('double', { InputPath: '$.n', ResultPath: '$.n', OutputPath: '$' }), Next: 'Fan' },
    Fan: {
      Type: 'Parallel',
      Branches: [
        {
          StartAt: 'Each',
          States: {
            Each: {
              Type: 'Map',
              ItemsPath: '$.list',
              MaxConcurrency: 2,
              ItemProcessor: {
                StartAt: 'Work',
                States: { Work: { ...withToken('take', { HeartbeatSeconds: 60 }), End: true } },
              },
              End: true,
            },
          },
        },
        {
          StartAt: 'Flaky',
          States: {
            Flaky: {
              ...invoke('flaky', {
                Parameters: { FunctionName: 'flaky', Payload: { 'retry.$': '$$.State.RetryCount' } },
                Retry: [{ ErrorEquals: ['Boom'], JitterStrategy: 'FULL', IntervalSeconds: 9 }],
              }),
              Next: 'Nap',
            },
            Nap: { Type: 'Wait', Seconds: 3, Next: 'Bad' },
            Bad: { ...invoke('boom', { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }] }), End: true },
            Caught: { Type: 'Pass', OutputPath: '$.Error', End: true },
          },
        },
      ],
      Next: 'Last',
    },
    Last: { ...withToken('take', { InputPath: '$[1]', ResultPath: null }), End: true },
  },
};

const functions = (workers: Workers): Record<string, TestFunction> => ({
  double: (n: number) => n * 2,
  take: workers.take,
  flaky: async ({ retry }: { retry: number }, cloud) => {
    await cloud.delay(500);
    if (retry < 2) throw new FunctionFailure('Boom');
    return `after ${retry}`;
  },
  boom: () => {
    throw new FunctionFailure('Boom');
  },
});

const input = { n: 1, list: ['a', 'b', 'c'] };
const expected = {
  status: 'SUCCEEDED',
  output: [[{ worked: 'a' }, { worked: 'b' }, { worked: 'c' }], 'Boom'],
};

async function completeRun(): Promise<{ lines: string[]; workers: Workers; history: unknown[] }> {
  const workers = new Workers();
  const cloud = new TestCloud(everything, { functions: functions(workers), dir });
  expect(await cloud.run(input)).toEqual(expected);
  const lines = readFileSync(journal(), 'utf8').trimEnd().split('\n');
  return { lines, workers, history: await cloud.history(executionArn) };
}

describe('an execution goes on from its journal', () => {
  test('whole, it is what it was, to the last event', async () => {
    const { history } = await completeRun();
    const again = new TestCloud(everything, { dir });
    again.states.resume();
    expect(await again.describe(executionArn)).toEqual(expected);
    expect(await again.history(executionArn)).toEqual(history);
    expect(again.calls).toEqual([]);
  });

  test('cut after any line, torn or not, it comes to the same end, and tokens that are out stay good', async () => {
    const { lines, workers } = await completeRun();
    expect(lines.length).toBeGreaterThan(15);
    for (let kept = 1; kept < lines.length; kept++) {
      const torn = kept % 2 === 0 ? lines[kept]!.slice(0, kept) : '';
      writeFileSync(journal(), `${lines.slice(0, kept).join('\n')}\n${torn}`);
      const { timeMs } = JSON.parse(lines[kept - 1]!) as { timeMs: number };
      const later = new Workers();
      const cloud = new TestCloud(everything, { functions: functions(later), dir, clock: new SimulatedClock(timeMs) });
      cloud.states.resume();
      for (const token of later.tokens.keys()) expect([...workers.tokens.keys()]).toContain(token);
      cloud.clock.schedule(2_000, () => void workers.answerAll(cloud));
      await cloud.clock.run();
      expect(await cloud.describe(executionArn)).toEqual(expected);
      const again = new TestCloud(everything, { dir });
      expect(await again.history(executionArn)).toEqual(await cloud.history(executionArn));
    }
  });

  test('in-flight functions are invoked again, returned ones are not, callbacks keep waiting', async () => {
    const never: TestFunction = () => new Promise(() => {});
    const workers = new Workers();
    const both = {
      StartAt: 'Both',
      States: {
        Both: {
          Type: 'Parallel',
          Branches: [
            { StartAt: 'Token', States: { Token: { ...withToken('take'), End: true } } },
            { StartAt: 'Eager', States: { Eager: { ...withToken('never'), End: true } } },
            { StartAt: 'Plain', States: { Plain: { ...invoke('never'), End: true } } },
          ],
          End: true,
        },
      },
    };
    const before = new TestCloud(both, { functions: { take: workers.take, never }, dir });
    await before.start();
    await before.clock.advance(1_000);
    await before.states.stop();
    const after = new TestCloud(both, {
      functions: { take: workers.take, never },
      dir,
      clock: new SimulatedClock(before.clock.nowMs()),
    });
    expect(after.calls).toEqual([]);
    after.states.resume();
    expect(after.calls.map(({ name }) => name)).toEqual(['never', 'never']);
    expect(after.calls.map(({ payload }) => payload)).toEqual(before.calls.slice(1).map(({ payload }) => payload));
    expect(await workers.answerAll(after)).toBe(1);
  });

  test('an execution keeps the definition that it started with', async () => {
    const old = single(withToken('take'));
    const workers = new Workers();
    const before = new TestCloud(old, { functions: { take: workers.take }, dir });
    await before.start({ v: 1 });
    await before.clock.advance(0);
    const after = new TestCloud(single({ Type: 'Fail' }), { dir, clock: new SimulatedClock(before.clock.nowMs()) });
    after.states.resume();
    await workers.answerAll(after);
    expect(await after.describe(executionArn)).toEqual({ status: 'SUCCEEDED', output: { worked: { v: 1 } } });
  });
});

describe('time that the cloud was away', () => {
  const hourMs = 3_600_000;

  async function restarted(state: object, machine: object = {}): Promise<TestCloud> {
    const definition = { ...single(state), ...machine };
    const silent = { take: () => null, never: () => new Promise(() => {}) };
    const before = new TestCloud(definition, { functions: silent, dir });
    await before.start();
    await before.clock.advance(1_000);
    await before.states.stop();
    const clock = new SimulatedClock(before.clock.nowMs() + hourMs);
    const after = new TestCloud(definition, { functions: silent, dir, clock });
    after.states.resume();
    await after.clock.advance(0);
    return after;
  }

  test('is not held against a worker: heartbeat and time-out begin anew', async () => {
    for (const [fields, error] of [
      [{ HeartbeatSeconds: 10, TimeoutSeconds: 99 }, 'States.HeartbeatTimeout'],
      [{ TimeoutSeconds: 10 }, 'States.Timeout'],
    ] as const) {
      const cloud = await restarted(withToken('take', fields));
      await cloud.clock.advance(9_999);
      expect(await cloud.describe(executionArn)).toMatchObject({ status: 'RUNNING' });
      await cloud.clock.advance(1);
      expect(await cloud.describe(executionArn)).toMatchObject({ status: 'FAILED', error });
      rmSync(journal());
    }
  });

  test('counts for a Wait and for the time-out of the execution', async () => {
    const waited = await restarted({ Type: 'Wait', Seconds: 60 });
    expect(await waited.describe(executionArn)).toMatchObject({ status: 'SUCCEEDED' });
    rmSync(journal());
    const late = await restarted(withToken('take'), { TimeoutSeconds: 600 });
    expect(await late.describe(executionArn)).toEqual({ status: 'TIMED_OUT', error: 'States.Timeout' });
  });

  test('a clock that was set back does not turn the order of events round', async () => {
    const workers = new Workers();
    const slow = {
      StartAt: 'Nap',
      States: { Nap: { Type: 'Wait', Seconds: 9, Next: 'Work' }, Work: { ...withToken('take'), End: true } },
    };
    const before = new TestCloud(slow, { functions: { take: workers.take }, dir });
    await before.start();
    await before.clock.advance(9_000);
    const clock = new SimulatedClock(before.clock.nowMs() - hourMs);
    const after = new TestCloud(slow, { dir, clock });
    after.states.resume();
    await workers.answerAll(after);
    const times = (await after.history(executionArn)).map(({ timestamp }) => timestamp);
    expect(times).toEqual(times.toSorted((left, right) => left - right));
  });
});

describe('journals', () => {
  test('a first line that is torn was never acknowledged: no execution, no file', async () => {
    mkdirSync(join(dir, 'mover'));
    writeFileSync(journal(), '{"type":"star');
    const cloud = new TestCloud(single({ Type: 'Pass' }), { dir });
    await expect(cloud.describe(executionArn)).rejects.toMatchObject({ code: 'ExecutionDoesNotExist' });
    expect(existsSync(journal())).toBe(false);
    expect(await cloud.run()).toMatchObject({ status: 'SUCCEEDED' });
  });

  test.each([
    ['a line that is no JSON', 'rubbish'],
    ['an entry for what is not open', '{"type":"ended","timeMs":1,"op":77,"outcome":{"payload":1}}'],
    ['an entry after the end', '{"type":"stopped","timeMs":1}\n{"type":"stopped","timeMs":1}'],
  ])('%s is JOURNAL_BROKEN, by file and line', async (_name, rubbish) => {
    const cloud = new TestCloud(single({ Type: 'Wait', Seconds: 1 }), { dir });
    await cloud.start();
    appendFileSync(journal(), `${rubbish}\n`);
    const { length } = readFileSync(journal(), 'utf8').trimEnd().split('\n');
    const message = expect.stringContaining(`one.jsonl, line ${length}: `);
    expect(() => new TestCloud(single({ Type: 'Pass' }), { dir })).toThrow(
      expect.objectContaining({ code: 'JOURNAL_BROKEN', message }),
    );
  });

  test('what returns while the cloud stops is not written down', async () => {
    let finish = () => {};
    const slow = () => new Promise<void>((resolve) => (finish = resolve));
    const cloud = new TestCloud(single(invoke('slow')), { functions: { slow }, dir });
    await cloud.start();
    const written = readFileSync(journal(), 'utf8');
    await cloud.states.stop();
    finish();
    await cloud.clock.run();
    expect(readFileSync(journal(), 'utf8')).toBe(written);
  });

  test('what can not be written down is not acknowledged, and the execution goes on from its journal at a restart', async () => {
    const workers = new Workers();
    const cloud = new TestCloud(single(withToken('take')), { functions: { take: workers.take }, dir });
    await cloud.start({ v: 1 });
    await cloud.clock.advance(0);
    const written = readFileSync(journal());
    rmSync(journal());
    mkdirSync(journal());
    const [taskToken] = workers.tokens.keys();
    const answer = cloud.call('SendTaskSuccess', { taskToken: taskToken!, output: '1' });
    await expect(answer).rejects.toMatchObject({ code: 'InternalServerError', status: 500 });
    expect(await cloud.describe(executionArn)).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
    rmSync(journal(), { recursive: true });
    writeFileSync(journal(), written);
    const after = new TestCloud(single(withToken('take')), { dir, clock: new SimulatedClock(cloud.clock.nowMs()) });
    expect(await workers.answerAll(after)).toBe(1);
    expect(await after.describe(executionArn)).toMatchObject({ status: 'SUCCEEDED' });
  });

  test('only so many ended executions are remembered; the oldest goes, with its file', async () => {
    const cloud = new TestCloud(single({ Type: 'Pass' }), { dir });
    for (let n = 0; n <= limits.executions_closed_max; n++) await cloud.start({}, n === 0 ? 'one' : `e${n}`);
    await expect(cloud.describe(executionArn)).rejects.toMatchObject({ code: 'ExecutionDoesNotExist' });
    expect(existsSync(journal())).toBe(false);
    expect(existsSync(join(dir, 'mover', 'e1.jsonl'))).toBe(true);
  });
});
