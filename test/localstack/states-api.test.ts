import { describe, expect, test } from 'vitest';
import { limits } from '../../localstack/states/limits.ts';
import { single, TestCloud, withToken } from './states-cloud.ts';

const machineArn = 'arn:aws:states:eu-central-1:000000000000:stateMachine:mover';
const executionArn = 'arn:aws:states:eu-central-1:000000000000:execution:mover:one';

function waiting(): TestCloud {
  return new TestCloud(single(withToken('keep')), { functions: { keep: () => null } });
}

function codeOf(cloud: TestCloud, target: string, body: object): Promise<string> {
  return cloud.call(target, body).then(
    () => 'fine',
    ({ code, status }) => `${code} ${status}`,
  );
}

describe('StartExecution', () => {
  const request = { stateMachineArn: machineArn, name: 'one', input: '{"a":1}' };

  test('is idempotent by name and input while the execution runs', async () => {
    const cloud = waiting();
    const first = await cloud.call('StartExecution', request);
    expect(first).toEqual({ executionArn, startDate: cloud.clock.nowMs() / 1_000 });
    await cloud.clock.advance(5_000);
    expect(await cloud.call('StartExecution', request)).toEqual(first);
    expect(await codeOf(cloud, 'StartExecution', { ...request, input: '{"a":2}' })).toBe('ExecutionAlreadyExists 400');
    await cloud.call('StopExecution', { executionArn });
    expect(await codeOf(cloud, 'StartExecution', request)).toBe('ExecutionAlreadyExists 400');
    expect(cloud.calls.length).toBe(1);
  });

  test('invents a name, takes no input for an empty object', async () => {
    let chance = 0;
    const cloud = new TestCloud(single({ Type: 'Pass' }), { random: () => (chance += 0.01) });
    const arns = await Promise.all(
      [1, 2].map(() => cloud.call<{ executionArn: string }>('StartExecution', { stateMachineArn: machineArn })),
    );
    expect(new Set(arns.map((arn) => arn.executionArn)).size).toBe(2);
    expect(await cloud.describe(arns[0]!.executionArn)).toEqual({ status: 'SUCCEEDED', output: {} });
  });

  test.each([
    ['StateMachineDoesNotExist', { stateMachineArn: `${machineArn}x` }],
    ['InvalidName', { name: '../up' }],
    ['InvalidName', { name: 'a b' }],
    ['InvalidName', { name: 'x'.repeat(limits.name_chars_max + 1) }],
    ['InvalidName', { name: '' }],
    ['InvalidExecutionInput', { input: 'not json' }],
    ['InvalidExecutionInput', { input: `"${'x'.repeat(limits.payload_bytes_max)}"` }],
    ['ValidationException', { stateMachineArn: undefined }],
    ['ValidationException', { input: { a: 1 } }],
  ])('refuses with %s', async (code, fields) => {
    expect(await codeOf(waiting(), 'StartExecution', { ...request, ...fields })).toBe(`${code} 400`);
  });

  test('the number of running executions is bounded', async () => {
    const cloud = waiting();
    for (let n = 0; n < limits.executions_open_max; n++) await cloud.start({}, `e${n}`);
    expect(await codeOf(cloud, 'StartExecution', request)).toBe('ExecutionLimitExceeded 400');
  });
});

test('DescribeExecution and ListExecutions tell of running and ended executions, the newest first, page by page', async () => {
  const cloud = waiting();
  for (const name of ['one', 'two', 'three']) {
    await cloud.start({ name }, name);
    await cloud.clock.advance(1_000);
  }
  await cloud.call('StopExecution', { executionArn, error: 'Enough' });
  expect(await cloud.call('DescribeExecution', { executionArn })).toEqual({
    executionArn,
    stateMachineArn: machineArn,
    name: 'one',
    status: 'ABORTED',
    startDate: Date.UTC(2030, 0, 1) / 1_000,
    stopDate: Date.UTC(2030, 0, 1) / 1_000 + 3,
    input: '{"name":"one"}',
    inputDetails: { included: true },
    error: 'Enough',
  });
  const list = (fields: object) =>
    cloud.call<{ executions: { name: string }[]; nextToken?: string }>('ListExecutions', {
      stateMachineArn: machineArn,
      ...fields,
    });
  const first = await list({ maxResults: 2 });
  expect(first.executions.map(({ name }) => name)).toEqual(['three', 'two']);
  const second = await list({ maxResults: 2, nextToken: first.nextToken });
  expect(second.executions.map(({ name }) => name)).toEqual(['one']);
  expect(second.nextToken).toBeUndefined();
  expect((await list({ statusFilter: 'RUNNING' })).executions.length).toBe(2);
});

test('GetExecutionHistory pages and turns round; its newest id is the number of events', async () => {
  const cloud = new TestCloud(single({ Type: 'Pass' }));
  await cloud.start();
  const get = (fields: object) =>
    cloud.call<{ events: { id: number }[]; nextToken?: string }>('GetExecutionHistory', { executionArn, ...fields });
  const newest = await get({ reverseOrder: true, maxResults: 1 });
  expect(newest.events.map(({ id }) => id)).toEqual([4]);
  const next = await get({ reverseOrder: true, maxResults: 2, nextToken: newest.nextToken });
  expect(next.events.map(({ id }) => id)).toEqual([3, 2]);
  expect(await codeOf(cloud, 'GetExecutionHistory', { executionArn, nextToken: 'x' })).toBe('InvalidToken 400');
});

test('DescribeStateMachine gives the definition back', async () => {
  const definition = single({ Type: 'Pass' });
  const cloud = new TestCloud(definition);
  const described = await cloud.call('DescribeStateMachine', { stateMachineArn: machineArn });
  expect(described).toMatchObject({ stateMachineArn: machineArn, name: 'mover', status: 'ACTIVE', type: 'STANDARD' });
  expect(JSON.parse(described.definition as string)).toEqual(definition);
});

test.each([
  ['DescribeExecution', { executionArn: 'arn:none' }, 'ExecutionDoesNotExist 400'],
  ['StopExecution', { executionArn: 'arn:none' }, 'ExecutionDoesNotExist 400'],
  ['GetExecutionHistory', { executionArn: 'arn:none' }, 'ExecutionDoesNotExist 400'],
  ['ListExecutions', { stateMachineArn: 'arn:none' }, 'StateMachineDoesNotExist 400'],
  ['DescribeStateMachine', { stateMachineArn: 'arn:none' }, 'StateMachineDoesNotExist 400'],
  ['SendTaskSuccess', { taskToken: 'x', output: '1' }, 'InvalidToken 400'],
  ['SendTaskSuccess', { taskToken: 'x' }, 'ValidationException 400'],
  ['CreateStateMachine', {}, 'UnknownOperationException 400'],
  ['constructor', {}, 'UnknownOperationException 400'],
])('%s of %j is %s', async (target, body, code) => {
  expect(await codeOf(waiting(), target, body)).toBe(code);
});

test('an output that is no JSON, or too much, is InvalidOutput and leaves the task waiting', async () => {
  const tokens: string[] = [];
  const keep = ({ token }: { token: string }) => void tokens.push(token);
  const cloud = new TestCloud(single(withToken('keep')), { functions: { keep } });
  await cloud.start();
  await cloud.clock.advance(0);
  const taskToken = tokens[0]!;
  for (const output of ['{', `"${'x'.repeat(limits.payload_bytes_max)}"`]) {
    expect(await codeOf(cloud, 'SendTaskSuccess', { taskToken, output })).toBe('InvalidOutput 400');
  }
  expect(await codeOf(cloud, 'SendTaskSuccess', { taskToken, output: '{}' })).toBe('fine');
});

test('after stop nothing is answered, no timer rings and what returns is dropped', async () => {
  let finish = () => {};
  const functions = { slow: () => new Promise<void>((resolve) => (finish = resolve)), keep: () => null };
  const cloud = new TestCloud(
    {
      StartAt: 'Both',
      States: {
        Both: {
          Type: 'Parallel',
          End: true,
          Branches: [
            {
              StartAt: 'W',
              States: { W: { Type: 'Wait', Seconds: 5, Next: 'X' }, X: { ...withToken('keep'), End: true } },
            },
            { StartAt: 'Y', States: { Y: { ...withToken('slow'), End: true } } },
          ],
        },
      },
    },
    { functions },
  );
  await cloud.start();
  await cloud.clock.advance(0);
  await cloud.states.stop();
  finish();
  await cloud.clock.run();
  expect(cloud.calls.map(({ name }) => name)).toEqual(['slow']);
  expect(await codeOf(cloud, 'DescribeExecution', { executionArn })).toBe('ServiceUnavailable 503');
});
