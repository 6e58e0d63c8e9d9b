import { describe, expect, test } from 'vitest';
import type { TestFunction } from './states-cloud.ts';
import { FunctionFailure, functionArn, invoke, single, TestCloud, withToken } from './states-cloud.ts';

/** Fails with the listed errors, one a call, then returns 'fine'. */
function failing(...errors: string[]): TestFunction {
  return () => {
    const next = errors.shift();
    if (next === undefined) return 'fine';
    throw new FunctionFailure(next);
  };
}

const never: TestFunction = () => new Promise(() => {});

function secondsOfCalls(cloud: TestCloud): number[] {
  const firstMs = cloud.calls[0]!.atMs;
  return cloud.calls.map(({ atMs }) => (atMs - firstMs) / 1_000);
}

describe('Retry', () => {
  const all = { ErrorEquals: ['States.ALL'] };
  test.each([
    ['defaults: 3 attempts, 1 s, doubled', [all], 4, [0, 1, 3, 7]],
    [
      'its own interval, rate and number',
      [{ ...all, IntervalSeconds: 2, BackoffRate: 3, MaxAttempts: 2 }],
      3,
      [0, 2, 8],
    ],
    ['a cap', [{ ...all, IntervalSeconds: 4, MaxDelaySeconds: 5, MaxAttempts: 3 }], 4, [0, 4, 9, 14]],
    ['none at all', [{ ...all, MaxAttempts: 0 }], 1, [0]],
    ['another error', [{ ErrorEquals: ['Other'] }], 1, [0]],
  ])('%s', async (_name, Retry, calls, seconds) => {
    const functions = { f: failing(...Array<string>(9).fill('Boom')) };
    const cloud = new TestCloud(single(invoke('f', { Retry })), { functions });
    expect(await cloud.run()).toMatchObject({ status: 'FAILED', error: 'Boom' });
    expect(cloud.calls.length).toBe(calls);
    expect(secondsOfCalls(cloud)).toEqual(seconds);
  });

  test('full jitter waits anything up to the interval, and differs from wait to wait', async () => {
    const Retry = [{ ...all, IntervalSeconds: 100, BackoffRate: 1, MaxAttempts: 4, JitterStrategy: 'FULL' }];
    const functions = { f: failing(...Array<string>(9).fill('Boom')) };
    const cloud = new TestCloud(single(invoke('f', { Retry })), { functions });
    await cloud.run();
    const at = secondsOfCalls(cloud);
    const waits = at.slice(1).map((second, index) => second - at[index]!);
    for (const wait of waits) expect(wait).toBeLessThan(100);
    expect(new Set(waits).size).toBe(4);
  });

  test('each retrier counts its own attempts; the catcher takes what is left', async () => {
    const Retry = [
      { ErrorEquals: ['A', 'B'], MaxAttempts: 2 },
      { ErrorEquals: ['C'], IntervalSeconds: 5 },
    ];
    const Catch = [{ ErrorEquals: ['B'], Next: 'Caught', ResultPath: '$.error' }];
    const cloud = new TestCloud(
      {
        StartAt: 'Try',
        States: { Try: { ...invoke('f', { Retry, Catch }), End: true }, Caught: { Type: 'Pass', End: true } },
      },
      { functions: { f: failing('A', 'B', 'C', 'B') } },
    );
    const Cause = '{"errorType":"B","errorMessage":"on purpose"}';
    expect(await cloud.run({ keep: 1 })).toEqual({
      status: 'SUCCEEDED',
      output: { keep: 1, error: { Error: 'B', Cause } },
    });
    expect(secondsOfCalls(cloud)).toEqual([0, 1, 3, 8]);
  });

  test('the context object counts the retries', async () => {
    const Parameters = { FunctionName: 'f', Payload: { 'retry.$': '$$.State.RetryCount' } };
    const cloud = new TestCloud(single(invoke('f', { Parameters, Retry: [all] })), {
      functions: { f: failing('Boom', 'Boom') },
    });
    expect(await cloud.run()).toMatchObject({ output: 'fine' });
    expect(cloud.calls.map(({ payload }) => payload)).toEqual([{ retry: 0 }, { retry: 1 }, { retry: 2 }]);
  });
});

describe('Catch by error name', () => {
  const huge = 'x'.repeat(262_145);
  const producers: Record<string, object> = {
    Boom: invoke('boom'),
    'States.Timeout': invoke('never', { TimeoutSeconds: 5 }),
    'States.HeartbeatTimeout': withToken('quiet', { HeartbeatSeconds: 5 }),
    'Sandbox.Timedout': invoke('slow'),
    'Lambda.Unknown': invoke('killed'),
    'Lambda.ResourceNotFoundException': invoke('absent'),
    'Lambda.SdkClientException': invoke('unreachable'),
    'States.DataLimitExceeded': invoke('huge'),
    'States.IntrinsicFailure': invoke('fine', {
      Parameters: { FunctionName: 'fine', 'Payload.$': 'States.StringToJson($.text)' },
    }),
    'States.ResultPathMatchFailure': invoke('fine', { ResultPath: '$.text.x' }),
    'States.Runtime': invoke('fine', { InputPath: '$.nowhere' }),
  };
  const functions: Record<string, TestFunction> = {
    boom: failing('Boom'),
    never,
    quiet: () => 'started',
    slow: () => {
      throw new FunctionFailure('Sandbox.Timedout', 'RequestId: 1 Error: Task timed out after 3.00 seconds');
    },
    killed: () => {
      const failure = new FunctionFailure('');
      delete failure.reply.errorType;
      throw failure;
    },
    absent: () => {
      throw new FunctionFailure('Lambda.ResourceNotFoundException', 'Function not found: absent');
    },
    unreachable: () => {
      throw new Error('connection refused');
    },
    huge: () => huge,
    fine: () => 'fine',
  };
  const anyTask = ['States.ALL', 'States.TaskFailed'];
  const catchable: Record<string, string[]> = {
    'States.Timeout': ['States.ALL', 'States.Timeout'],
    'States.HeartbeatTimeout': ['States.ALL', 'States.Timeout', 'States.HeartbeatTimeout'],
    'States.DataLimitExceeded': ['States.DataLimitExceeded'],
    'States.Runtime': [],
  };
  const patterns = [
    'States.ALL',
    'States.TaskFailed',
    'States.Timeout',
    'States.HeartbeatTimeout',
    'States.DataLimitExceeded',
    'Boom',
    'Lambda.Unknown',
  ];
  const cases = Object.keys(producers).flatMap((error) => {
    const takers = catchable[error] ?? [...anyTask, error];
    return [...new Set([...patterns, error])]
      .filter((pattern) => pattern !== 'States.Runtime')
      .map((pattern): [string, string, boolean] => [pattern, error, takers.includes(pattern)]);
  });

  test.each(cases)('%s takes %s: %s', async (pattern, error, taken) => {
    const cloud = new TestCloud(
      {
        StartAt: 'Try',
        States: {
          Try: { ...producers[error], Catch: [{ ErrorEquals: [pattern], Next: 'Caught' }], End: true },
          Caught: { Type: 'Pass', OutputPath: '$.Error', End: true },
        },
      },
      { functions: { ...functions, boom: failing('Boom') } },
    );
    const ended = await cloud.run({ text: 'no json' });
    if (taken) expect(ended).toEqual({ status: 'SUCCEEDED', output: error });
    else expect(ended).toMatchObject({ status: 'FAILED', error });
  });

  test('causes: the function reply as JSON, Lambda itself in plain words, a time-out none', async () => {
    const causeOf = async (state: object) => (await new TestCloud(single(state), { functions }).run()).cause;
    expect(JSON.parse((await causeOf(producers['Sandbox.Timedout']!))!)).toMatchObject({
      errorMessage: expect.stringContaining('timed out'),
    });
    expect(await causeOf(producers['Lambda.ResourceNotFoundException']!)).toBe('Function not found: absent');
    expect(await causeOf(producers['Lambda.Unknown']!)).toContain('Lambda did not return an error type');
    expect(await causeOf(producers['States.Timeout']!)).toBeUndefined();
  });

  test('the first catcher that matches takes it, by default in place of the input', async () => {
    const Catch = [
      { ErrorEquals: ['Other'], Next: 'Wrong' },
      { ErrorEquals: ['Boom', 'Bang'], Next: 'Right' },
      { ErrorEquals: ['States.ALL'], Next: 'Wrong' },
    ];
    const cloud = new TestCloud(
      {
        StartAt: 'Try',
        States: {
          Try: { ...invoke('f', { Catch }), End: true },
          Right: { Type: 'Pass', End: true },
          Wrong: { Type: 'Fail' },
        },
      },
      { functions: { f: failing('Boom') } },
    );
    expect((await cloud.run({ keep: 1 })).output).toEqual({ Error: 'Boom', Cause: expect.any(String) });
  });
});

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
      broken: (payload: unknown, cloud: TestCloud) => {
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

describe('payload limit', () => {
  const full = 'x'.repeat(262_144 - 2);
  test('a result may fill it to the byte', async () => {
    const run = (text: string) =>
      new TestCloud(single({ Type: 'Task', Resource: functionArn('f') }), {
        functions: { [functionArn('f')]: () => text },
      }).run();
    expect(await run(full)).toEqual({ status: 'SUCCEEDED', output: full });
    expect(await run(`${full}x`)).toMatchObject({ status: 'FAILED', error: 'States.DataLimitExceeded' });
    expect(await run(`${full.slice(1)}é`)).toMatchObject({ status: 'FAILED', error: 'States.DataLimitExceeded' });
  });

  test('a state may not put out more, nor send a task more', async () => {
    const double = { 'a.$': '$.text', 'b.$': '$.text' };
    const input = { text: 'x'.repeat(140_000) };
    const pass = await new TestCloud(single({ Type: 'Pass', Parameters: double })).run(input);
    expect(pass).toMatchObject({ status: 'FAILED', error: 'States.DataLimitExceeded' });
    const cloud = new TestCloud(single(invoke('f', { Parameters: { FunctionName: 'f', Payload: double } })), {
      functions: { f: () => 1 },
    });
    expect(await cloud.run(input)).toMatchObject({ status: 'FAILED', error: 'States.DataLimitExceeded' });
    expect(cloud.calls).toEqual([]);
  });
});
