import { describe, expect, test } from 'vitest';
import { limits } from '../../localstack/states/limits.ts';
import type { TestFunction } from './states-cloud.ts';
import { FunctionFailure, invoke, single, TestCloud, withToken } from './states-cloud.ts';

const item = { 'index.$': '$$.Map.Item.Index', 'value.$': '$$.Map.Item.Value' };

function branch(state: object): object {
  const name = `State${branches++}`;
  return { StartAt: name, States: { [name]: { ...state, End: true } } };
}
let branches = 0;

function failAfter(ms: number, error: string): TestFunction {
  return async (_payload, cloud) => {
    await cloud.delay(ms);
    throw new FunctionFailure(error);
  };
}

describe('Parallel', () => {
  test('gives its input to all branches and puts out the list of their results, in their order', async () => {
    const functions: Record<string, TestFunction> = {
      slow: async (n: number, cloud) => {
        await cloud.delay(1_000);
        return n + 1;
      },
      quick: (n: number) => n + 2,
    };
    const cloud = new TestCloud(
      single({
        Type: 'Parallel',
        Parameters: { 'n.$': '$.n', fixed: true },
        Branches: [
          branch(invoke('slow', { InputPath: '$.n' })),
          branch(invoke('quick', { InputPath: '$.n' })),
          branch({ Type: 'Pass' }),
        ],
        ResultPath: '$.out',
      }),
      { functions },
    );
    expect(await cloud.run({ n: 1 })).toEqual({
      status: 'SUCCEEDED',
      output: { n: 1, out: [2, 3, { n: 1, fixed: true }] },
    });
  });

  test('a branch that fails cancels the others: their tokens die, their answers do not count, no later state runs', async () => {
    const tokens: string[] = [];
    const functions: Record<string, TestFunction> = {
      keep: ({ token }: { token: string }) => void tokens.push(token),
      boom: failAfter(3_000, 'Boom'),
      slow: (_payload, cloud) => cloud.delay(5_000),
      after: () => 'must not run',
    };
    const slowBranch = {
      StartAt: 'Slow',
      States: { Slow: { ...invoke('slow'), Next: 'After' }, After: { ...invoke('after'), End: true } },
    };
    const cloud = new TestCloud(
      {
        StartAt: 'Both',
        States: {
          Both: {
            Type: 'Parallel',
            Branches: [
              branch(withToken('keep')),
              branch(invoke('boom')),
              slowBranch,
              branch({ Type: 'Wait', Seconds: 99 }),
            ],
            Catch: [{ ErrorEquals: ['Boom'], ResultPath: '$.error', Next: 'Caught' }],
            End: true,
          },
          Caught: { Type: 'Pass', OutputPath: '$.error.Error', End: true },
        },
      },
      { functions },
    );
    const executionArn = await cloud.start();
    await cloud.clock.run();
    expect(await cloud.describe(executionArn)).toEqual({ status: 'SUCCEEDED', output: 'Boom' });
    expect(cloud.calls.map(({ name }) => name)).toEqual(['keep', 'boom', 'slow']);
    const late = cloud.call('SendTaskSuccess', { taskToken: tokens[0]!, output: '1' });
    await expect(late).rejects.toMatchObject({ code: 'TaskTimedOut' });
    const types = await cloud.types(executionArn);
    expect(types.slice(types.indexOf('TaskFailed'))).toEqual([
      'TaskFailed',
      'TaskStateAborted',
      'TaskStateAborted',
      'WaitStateAborted',
      'ParallelStateFailed',
      'ParallelStateExited',
      'PassStateEntered',
      'PassStateExited',
      'ExecutionSucceeded',
    ]);
  });

  test('is retried as a whole', async () => {
    let failures = 2;
    const functions = {
      flaky: () => {
        if (failures-- > 0) throw new FunctionFailure('Boom');
        return 'fine';
      },
    };
    const cloud = new TestCloud(
      single({
        Type: 'Parallel',
        Branches: [branch(invoke('flaky')), branch({ Type: 'Wait', Seconds: 5 })],
        Retry: [{ ErrorEquals: ['States.TaskFailed'], BackoffRate: 1 }],
      }),
      { functions },
    );
    const startMs = cloud.clock.nowMs();
    expect(await cloud.run()).toEqual({ status: 'SUCCEEDED', output: ['fine', {}] });
    expect(cloud.clock.nowMs() - startMs).toBe(7_000);
  });

  test('uncaught, its error is the execution error, from however deep', async () => {
    const inner = {
      Type: 'Parallel',
      Branches: [
        branch({ Type: 'Pass' }),
        { StartAt: 'Bad', States: { Bad: { Type: 'Fail', Error: 'Deep', Cause: 'down' } } },
      ],
    };
    const cloud = new TestCloud(
      single({ Type: 'Parallel', Branches: [branch(inner), branch({ Type: 'Wait', Seconds: 9 })] }),
    );
    expect(await cloud.run()).toEqual({ status: 'FAILED', error: 'Deep', cause: 'down' });
  });

  test('a heartbeat in a branch fires while the other branch waits', async () => {
    const cloud = new TestCloud(
      single({
        Type: 'Parallel',
        Branches: [branch(withToken('keep', { HeartbeatSeconds: 5 })), branch({ Type: 'Wait', Seconds: 60 })],
      }),
      { functions: { keep: () => null } },
    );
    const startMs = cloud.clock.nowMs();
    expect(await cloud.run()).toMatchObject({ status: 'FAILED', error: 'States.HeartbeatTimeout' });
    expect(cloud.clock.nowMs() - startMs).toBe(5_000);
  });
});

describe('Map', () => {
  test('runs its processor on each item and keeps their order', async () => {
    const functions: Record<string, TestFunction> = {
      f: async ({ value }: { value: number }, cloud) => {
        await cloud.delay(1_000 * (5 - value));
        return value * 10;
      },
    };
    const cloud = new TestCloud(
      single({
        Type: 'Map',
        ItemsPath: '$.list',
        ItemSelector: { ...item, 'all.$': '$.list' },
        ItemProcessor: branch(invoke('f')),
        ResultPath: '$.out',
      }),
      { functions },
    );
    expect(await cloud.run({ list: [1, 2, 3] })).toMatchObject({ output: { list: [1, 2, 3], out: [10, 20, 30] } });
    expect(cloud.calls[1]!.payload).toEqual({ index: 1, value: 2, all: [1, 2, 3] });
  });

  test('without a selector an item is its input; Parameters select as ItemSelector does; nothing to do is an empty list', async () => {
    const plain = new TestCloud(
      single({ Type: 'Map', ItemProcessor: branch({ Type: 'Pass', ResultPath: '$.seen', Result: true }) }),
    );
    expect(await plain.run([{ a: 1 }, {}])).toMatchObject({ output: [{ a: 1, seen: true }, { seen: true }] });
    expect(await plain.run([], 'two')).toMatchObject({ output: [] });
    const legacy = new TestCloud(single({ Type: 'Map', Parameters: item, ItemProcessor: branch({ Type: 'Pass' }) }));
    expect(await legacy.run(['x'])).toMatchObject({ output: [{ index: 0, value: 'x' }] });
  });

  test('what is no array is States.Runtime', async () => {
    const cloud = new TestCloud(single({ Type: 'Map', ItemsPath: '$.list', ItemProcessor: branch({ Type: 'Pass' }) }));
    expect(await cloud.run({ list: 'abc' })).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
  });

  test.each([
    [0, limits.map_concurrency_max],
    [3, 3],
    [1, 1],
    [1_000, limits.map_concurrency_max],
  ])('MaxConcurrency %d runs %d at a time', async (MaxConcurrency, bound) => {
    let running = 0;
    let most = 0;
    const functions: Record<string, TestFunction> = {
      f: async (n: number, cloud) => {
        most = Math.max(most, ++running);
        await cloud.delay(1_000 + (n % 7));
        running -= 1;
      },
    };
    const cloud = new TestCloud(single({ Type: 'Map', MaxConcurrency, ItemProcessor: branch(invoke('f')) }), {
      functions,
    });
    const items = Array.from({ length: 100 }, (_, index) => index);
    expect(await cloud.run(items)).toMatchObject({ status: 'SUCCEEDED' });
    expect(cloud.calls.length).toBe(100);
    expect(most).toBe(bound);
  });

  test('an iteration that fails cancels the running ones and those to come', async () => {
    const functions: Record<string, TestFunction> = {
      f: async (n: number, cloud) => {
        await cloud.delay(1_000 * (n + 1));
        if (n === 1) throw new FunctionFailure('Boom');
      },
    };
    const cloud = new TestCloud(single({ Type: 'Map', MaxConcurrency: 3, ItemProcessor: branch(invoke('f')) }), {
      functions,
    });
    const executionArn = await cloud.start([0, 1, 2, 3, 4, 5]);
    await cloud.clock.run();
    expect(await cloud.describe(executionArn)).toMatchObject({ status: 'FAILED', error: 'Boom' });
    expect(cloud.calls.length).toBe(4);
    const types = await cloud.types(executionArn);
    expect(types.filter((type) => type.startsWith('MapIteration'))).toEqual([
      'MapIterationStarted',
      'MapIterationStarted',
      'MapIterationStarted',
      'MapIterationSucceeded',
      'MapIterationStarted',
      'MapIterationFailed',
      'MapIterationAborted',
      'MapIterationAborted',
    ]);
    expect(types.at(-2)).toBe('MapStateFailed');
  });

  test('a Map in a Map sees its own item', async () => {
    const inner = { Type: 'Map', ItemSelector: item, ItemProcessor: branch({ Type: 'Pass' }) };
    const cloud = new TestCloud(single({ Type: 'Map', ItemProcessor: branch(inner) }));
    expect(await cloud.run([['a'], ['b', 'c']])).toMatchObject({
      output: [
        [{ index: 0, value: 'a' }],
        [
          { index: 0, value: 'b' },
          { index: 1, value: 'c' },
        ],
      ],
    });
  });

  test('the list of results is bound by the payload limit, too', async () => {
    const cloud = new TestCloud(single({ Type: 'Map', ItemProcessor: branch(invoke('f')) }), {
      functions: { f: () => 'x'.repeat(100_000) },
    });
    expect(await cloud.run([1, 2, 3])).toMatchObject({ status: 'FAILED', error: 'States.DataLimitExceeded' });
  });
});

describe('StopExecution', () => {
  test('aborts everything: timers, tokens, calls', async () => {
    const tokens: string[] = [];
    const functions: Record<string, TestFunction> = {
      keep: ({ token }: { token: string }) => void tokens.push(token),
      slow: (_payload, cloud) => cloud.delay(5_000),
    };
    const cloud = new TestCloud(
      single({
        Type: 'Parallel',
        Branches: [branch(withToken('keep')), branch(invoke('slow')), branch({ Type: 'Wait', Seconds: 50 })],
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Only' }],
      }),
      { functions },
    );
    const executionArn = await cloud.start();
    await cloud.clock.advance(1_000);
    const stopped = await cloud.call('StopExecution', { executionArn, error: 'Enough', cause: 'the user said so' });
    expect(stopped).toEqual({ stopDate: cloud.clock.nowMs() / 1_000 });
    await cloud.clock.run();
    expect(await cloud.describe(executionArn)).toEqual({
      status: 'ABORTED',
      error: 'Enough',
      cause: 'the user said so',
    });
    const late = cloud.call('SendTaskSuccess', { taskToken: tokens[0]!, output: '1' });
    await expect(late).rejects.toMatchObject({ code: 'TaskTimedOut' });
    const types = await cloud.types(executionArn);
    expect(types.at(-1)).toBe('ExecutionAborted');
    expect(types.filter((type) => type === 'ExecutionAborted').length).toBe(1);
    expect(await cloud.call('StopExecution', { executionArn })).toEqual(stopped);
  });
});
