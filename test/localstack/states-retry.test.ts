import { describe, expect, test } from 'vitest';
import { ServiceError } from '../../localstack/errors.ts';
import type { TestFunction } from './states-cloud.ts';
import { FunctionFailure, invoke, single, TestCloud, withToken } from './states-cloud.ts';

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
      { ErrorEquals: ['A', 'B'], MaxAttempts: 3 },
      { ErrorEquals: ['C'], IntervalSeconds: 5 },
    ];
    const Catch = [{ ErrorEquals: ['B'], Next: 'Caught', ResultPath: '$.error' }];
    const cloud = new TestCloud(
      {
        StartAt: 'Try',
        States: { Try: { ...invoke('f', { Retry, Catch }), End: true }, Caught: { Type: 'Pass', End: true } },
      },
      { functions: { f: failing('A', 'C', 'B', 'A', 'B') } },
    );
    const Cause = '{"errorType":"B","errorMessage":"on purpose"}';
    expect(await cloud.run({ keep: 1 })).toEqual({
      status: 'SUCCEEDED',
      output: { keep: 1, error: { Error: 'B', Cause } },
    });
    expect(secondsOfCalls(cloud)).toEqual([0, 1, 6, 8, 12]);
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
    'Lambda.TooManyRequestsException': invoke('crowded'),
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
    crowded: () => {
      throw new ServiceError('TooManyRequestsException', 'Rate exceeded', 429);
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
