import { describe, expect, test } from 'vitest';
import type { TestFunction } from './states-cloud.ts';
import { FunctionFailure, invoke, single, TestCloud, withToken } from './states-cloud.ts';

const never: TestFunction = () => new Promise(() => {});

describe('time-outs', () => {
  test('TimeoutSeconds, fixed or by path, from the start of each attempt', async () => {
    for (const fields of [{ TimeoutSeconds: 7 }, { TimeoutSecondsPath: '$.limit' }]) {
      const Retry = [{ ErrorEquals: ['States.Timeout'], MaxAttempts: 1 }];
      const cloud = new TestCloud(single(invoke('never', { ...fields, Retry })), { functions: { never } });
      const startMs = cloud.clock.nowMs();
      expect(await cloud.run({ limit: 7 })).toEqual({ status: 'FAILED', error: 'States.Timeout' });
      expect(cloud.clock.nowMs() - startMs).toBe(7_000 + 1_000 + 7_000);
    }
  });

  test('a path that gives no seconds is States.Runtime', async () => {
    const cloud = new TestCloud(single(invoke('never', { TimeoutSecondsPath: '$.limit' })), { functions: { never } });
    expect(await cloud.run({ limit: 'soon' })).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
  });

  test('an answer in time wins, and the late answer of a timed-out attempt does not count', async () => {
    const delays = [9_000, 4_000];
    const functions = {
      f: async (_payload: unknown, cloud: TestCloud) => {
        const ms = delays.shift()!;
        await cloud.delay(ms);
        return ms;
      },
    };
    const Retry = [{ ErrorEquals: ['States.Timeout'] }];
    const cloud = new TestCloud(single(invoke('f', { TimeoutSeconds: 5, Retry })), { functions });
    expect(await cloud.run()).toMatchObject({ status: 'SUCCEEDED', output: 4_000 });
  });

  test('the execution has a time-out of its own, which nothing catches', async () => {
    const machine = {
      ...single(invoke('never', { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Only' }] })),
      TimeoutSeconds: 60,
    };
    const cloud = new TestCloud(machine, { functions: { never } });
    const executionArn = await cloud.start();
    await cloud.clock.advance(59_000);
    expect(await cloud.describe(executionArn)).toMatchObject({ status: 'RUNNING' });
    await cloud.clock.advance(1_000);
    expect(await cloud.describe(executionArn)).toEqual({ status: 'TIMED_OUT', error: 'States.Timeout' });
    expect((await cloud.types(executionArn)).at(-1)).toBe('ExecutionTimedOut');
  });
});

describe('task tokens', () => {
  /** Keeps every token that the functions are handed. */
  function keeper(): { tokens: string[]; keep: TestFunction } {
    const tokens: string[] = [];
    return {
      tokens,
      keep: ({ token }: { token: string }) => {
        tokens.push(token);
        return 'submitted';
      },
    };
  }

  test('a callback ends the task with its output; the token is dead then', async () => {
    const { tokens, keep } = keeper();
    const cloud = new TestCloud(single(withToken('keep')), { functions: { keep } });
    const executionArn = await cloud.start();
    await cloud.clock.advance(3_600_000);
    expect(await cloud.describe(executionArn)).toMatchObject({ status: 'RUNNING' });
    await cloud.call('SendTaskSuccess', { taskToken: tokens[0]!, output: '{"done":1}' });
    expect(await cloud.describe(executionArn)).toEqual({ status: 'SUCCEEDED', output: { done: 1 } });
    for (const target of ['SendTaskFailure', 'SendTaskHeartbeat']) {
      await expect(cloud.call(target, { taskToken: tokens[0]! })).rejects.toMatchObject({ code: 'TaskTimedOut' });
    }
    expect(await cloud.types(executionArn)).toEqual([
      'ExecutionStarted',
      'TaskStateEntered',
      'TaskScheduled',
      'TaskStarted',
      'TaskSubmitted',
      'TaskSucceeded',
      'TaskStateExited',
      'ExecutionSucceeded',
    ]);
  });

  test('SendTaskFailure fails the task with its error and cause, or with none', async () => {
    for (const reason of [{ error: 'Gone', cause: 'plain words' }, {}]) {
      const { tokens, keep } = keeper();
      const cloud = new TestCloud(single(withToken('keep')), { functions: { keep } });
      const executionArn = await cloud.start();
      await cloud.clock.advance(0);
      await cloud.call('SendTaskFailure', { taskToken: tokens[0]!, ...reason });
      expect(await cloud.describe(executionArn)).toEqual({ status: 'FAILED', ...reason });
    }
  });

  test('a callback before the function has returned counts, and the return does not', async () => {
    const functions = {
      eager: async ({ token }: { token: string }, cloud: TestCloud) => {
        await cloud.call('SendTaskSuccess', { taskToken: token, output: '"early"' });
        await cloud.delay(5_000);
        return 'late';
      },
    };
    const cloud = new TestCloud(single(withToken('eager', { HeartbeatSeconds: 60 })), { functions });
    const executionArn = await cloud.start();
    await cloud.clock.advance(0);
    expect(await cloud.describe(executionArn)).toEqual({ status: 'SUCCEEDED', output: 'early' });
    await cloud.clock.run();
    expect(await cloud.types(executionArn)).not.toContain('TaskSubmitted');
  });

  test('a function that fails fails its token task, and the token with it', async () => {
    const { tokens, keep } = keeper();
    const functions = {
      broken: (payload: never, cloud: TestCloud) => {
        keep(payload, cloud);
        throw new FunctionFailure('Boom');
      },
    };
    const cloud = new TestCloud(single(withToken('broken')), { functions });
    expect(await cloud.run()).toMatchObject({ status: 'FAILED', error: 'Boom' });
    const late = cloud.call('SendTaskSuccess', { taskToken: tokens[0]!, output: '1' });
    await expect(late).rejects.toMatchObject({ code: 'TaskTimedOut', status: 400 });
  });

  test('heartbeats keep the task alive; one that is missed is States.HeartbeatTimeout', async () => {
    const { tokens, keep } = keeper();
    const cloud = new TestCloud(single(withToken('keep', { HeartbeatSecondsPath: '$.beat', TimeoutSeconds: 1_000 })), {
      functions: { keep },
    });
    const executionArn = await cloud.start({ beat: 10 });
    for (let beat = 0; beat < 5; beat++) {
      await cloud.clock.advance(9_000);
      await cloud.call('SendTaskHeartbeat', { taskToken: tokens[0]! });
    }
    await cloud.clock.advance(9_999);
    expect(await cloud.describe(executionArn)).toMatchObject({ status: 'RUNNING' });
    await cloud.clock.advance(1);
    expect(await cloud.describe(executionArn)).toEqual({ status: 'FAILED', error: 'States.HeartbeatTimeout' });
    expect(await cloud.types(executionArn)).toContain('TaskTimedOut');
  });

  test('heartbeats do not put off TimeoutSeconds', async () => {
    const { tokens, keep } = keeper();
    const cloud = new TestCloud(single(withToken('keep', { HeartbeatSeconds: 10, TimeoutSeconds: 25 })), {
      functions: { keep },
    });
    const executionArn = await cloud.start();
    for (let beat = 0; beat < 3; beat++) {
      await cloud.clock.advance(8_000);
      await cloud.call('SendTaskHeartbeat', { taskToken: tokens[0]! });
    }
    await cloud.clock.advance(1_000);
    expect(await cloud.describe(executionArn)).toEqual({ status: 'FAILED', error: 'States.Timeout' });
  });

  test('a retry gets a fresh token; the old one is dead', async () => {
    const { tokens, keep } = keeper();
    const Retry = [{ ErrorEquals: ['States.HeartbeatTimeout'], IntervalSeconds: 1 }];
    const cloud = new TestCloud(single(withToken('keep', { HeartbeatSeconds: 5, Retry })), { functions: { keep } });
    const executionArn = await cloud.start();
    await cloud.clock.advance(6_000);
    expect(tokens.length).toBe(2);
    expect(tokens[1]).not.toBe(tokens[0]);
    const old = cloud.call('SendTaskSuccess', { taskToken: tokens[0]!, output: '1' });
    await expect(old).rejects.toMatchObject({ code: 'TaskTimedOut' });
    await cloud.call('SendTaskSuccess', { taskToken: tokens[1]!, output: '2' });
    expect(await cloud.describe(executionArn)).toEqual({ status: 'SUCCEEDED', output: 2 });
  });

  test('tokens that no one gave out are refused by name', async () => {
    const { tokens, keep } = keeper();
    const cloud = new TestCloud(single(withToken('keep')), { functions: { keep } });
    await cloud.start();
    await cloud.clock.advance(0);
    const [arn, op, proof] = JSON.parse(Buffer.from(tokens[0]!, 'base64url').toString()) as [string, number, string];
    const forged = (...claim: unknown[]) => Buffer.from(JSON.stringify(claim)).toString('base64url');
    const codeOf = (taskToken: string) =>
      cloud.call('SendTaskHeartbeat', { taskToken }).then(
        () => 'fine',
        ({ code }) => code,
      );
    expect(await codeOf('nonsense')).toBe('InvalidToken');
    expect(await codeOf(forged(arn, op, `${proof}x`))).toBe('InvalidToken');
    expect(await codeOf(forged(arn, op + 1, proof))).toBe('InvalidToken');
    expect(await codeOf(forged(`${arn}x`, op, proof))).toBe('TaskDoesNotExist');
    expect(await codeOf(tokens[0]!)).toBe('fine');
  });

  test('executions of one name and machine in two clouds have different tokens', async () => {
    const tokens = await Promise.all(
      [0.1, 0.2].map(async (seed) => {
        const kept = keeper();
        const cloud = new TestCloud(single(withToken('keep')), { functions: { keep: kept.keep }, random: () => seed });
        await cloud.start();
        await cloud.clock.advance(0);
        return kept.tokens[0];
      }),
    );
    expect(tokens[0]).not.toBe(tokens[1]);
  });
});
