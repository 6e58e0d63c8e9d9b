import { describe, expect, test } from 'vitest';
import { limits } from '../../localstack/states/limits.ts';
import type { TestFunction } from './states-cloud.ts';
import { functionArn, invoke, single, TestCloud, withToken } from './states-cloud.ts';

function branch(state: object): object {
  const name = `State${branches++}`;
  return { StartAt: name, States: { [name]: { ...state, End: true } } };
}
let branches = 0;

describe('history', () => {
  test('counts what AWS counts: a task is five events, seven with a token, a pass two', async () => {
    const tokens: string[] = [];
    const functions: Record<string, TestFunction> = {
      f: () => 1,
      keep: ({ token }: { token: string }) => void tokens.push(token),
    };
    const cloud = new TestCloud(
      {
        StartAt: 'Pass',
        States: {
          Pass: { Type: 'Pass', Next: 'Connector' },
          Connector: { ...invoke('f'), Next: 'Plain' },
          Plain: { Type: 'Task', Resource: functionArn('f'), Next: 'Token' },
          Token: { ...withToken('keep', { HeartbeatSeconds: 9, TimeoutSeconds: 99 }), End: true },
        },
      },
      { functions: { ...functions, [functionArn('f')]: () => 2 } },
    );
    const executionArn = await cloud.start({ a: 1 });
    await cloud.clock.advance(0);
    await cloud.call('SendTaskSuccess', { taskToken: tokens[0]!, output: '3' });
    const events = await cloud.history(executionArn);
    expect(events.map(({ id }) => id)).toEqual(events.map((_event, index) => index + 1));
    expect(events.map(({ type }) => type)).toEqual([
      'ExecutionStarted',
      ...['PassStateEntered', 'PassStateExited'],
      ...['TaskStateEntered', 'TaskScheduled', 'TaskStarted', 'TaskSucceeded', 'TaskStateExited'],
      ...[
        'TaskStateEntered',
        'LambdaFunctionScheduled',
        'LambdaFunctionStarted',
        'LambdaFunctionSucceeded',
        'TaskStateExited',
      ],
      ...['TaskStateEntered', 'TaskScheduled', 'TaskStarted', 'TaskSubmitted', 'TaskSucceeded', 'TaskStateExited'],
      'ExecutionSucceeded',
    ]);
    expect(events[1]).toMatchObject({
      previousEventId: 0,
      stateEnteredEventDetails: { name: 'Pass', input: '{"a":1}' },
    });
    expect(events[4]).toMatchObject({
      previousEventId: 4,
      taskScheduledEventDetails: { resourceType: 'lambda', resource: 'invoke', region: 'eu-central-1' },
    });
    expect(events[14]).toMatchObject({ taskScheduledEventDetails: { heartbeatInSeconds: 9, timeoutInSeconds: 99 } });
    expect(events.at(-1)).toMatchObject({ executionSucceededEventDetails: { output: '3' } });
  });

  test('branches follow on from where they part', async () => {
    const cloud = new TestCloud(
      single({
        Type: 'Parallel',
        Branches: [branch({ Type: 'Wait', Seconds: 1 }), branch({ Type: 'Wait', Seconds: 2 })],
      }),
    );
    const executionArn = await cloud.start();
    await cloud.clock.run();
    const events = await cloud.history(executionArn);
    expect(events.map(({ previousEventId, type }) => [previousEventId, type])).toEqual([
      [0, 'ExecutionStarted'],
      [0, 'ParallelStateEntered'],
      [2, 'ParallelStateStarted'],
      [3, 'WaitStateEntered'],
      [3, 'WaitStateEntered'],
      [4, 'WaitStateExited'],
      [5, 'WaitStateExited'],
      [7, 'ParallelStateSucceeded'],
      [8, 'ParallelStateExited'],
      [9, 'ExecutionSucceeded'],
    ]);
  });

  test('an execution that goes round and round ends at the limit, which nothing catches', async () => {
    const cloud = new TestCloud(
      single({
        Type: 'Parallel',
        Branches: [
          {
            StartAt: 'Round',
            States: {
              Round: { Type: 'Pass', Next: 'Again' },
              Again: { Type: 'Choice', Choices: [{ Variable: '$', IsPresent: true, Next: 'Round' }] },
            },
          },
          branch({ Type: 'Wait', Seconds: 5 }),
        ],
        Retry: [{ ErrorEquals: ['States.ALL'] }],
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Only' }],
      }),
    );
    const executionArn = await cloud.start();
    expect(await cloud.describe(executionArn)).toMatchObject({
      status: 'FAILED',
      error: 'States.Runtime',
      cause: expect.stringContaining('25000'),
    });
    const events = await cloud.history(executionArn);
    expect(events.length).toBe(limits.history_events_max);
    expect(events.at(-1)!.type).toBe('ExecutionFailed');
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
