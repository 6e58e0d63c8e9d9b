import { describe, expect, test } from 'vitest';
import { invoke, SimulatedClock, single, TestCloud } from './states-cloud.ts';

async function output(state: object, input: object): Promise<unknown> {
  const ended = await new TestCloud(single(state)).run(input as never);
  return ended.status === 'SUCCEEDED' ? ended.output : ended;
}

describe('paths and templates', () => {
  test.each([
    ['everything by default', {}, { a: 1 }, { a: 1 }],
    ['InputPath', { InputPath: '$.a' }, { a: { b: 2 } }, { b: 2 }],
    ['InputPath null', { InputPath: null }, { a: 1 }, {}],
    ['InputPath of the context', { InputPath: '$$.Execution.Name' }, {}, 'one'],
    ['OutputPath', { OutputPath: '$.list[1]' }, { list: [5, 6] }, 6],
    ['OutputPath null', { OutputPath: null }, { a: 1 }, {}],
    ['a bracketed name', { InputPath: "$['a b'].c" }, { 'a b': { c: 3 } }, 3],
    ['Result', { Result: [1, 2] }, {}, [1, 2]],
    ['a null Result', { Result: null }, {}, null],
    ['ResultPath makes objects', { Result: 1, ResultPath: '$.x.y' }, { a: 1 }, { a: 1, x: { y: 1 } }],
    ['ResultPath keeps its neighbours', { Result: 1, ResultPath: '$.x.y' }, { x: { z: 2 } }, { x: { y: 1, z: 2 } }],
    ['ResultPath null drops the result', { Result: 1, ResultPath: null }, { a: 1 }, { a: 1 }],
    ['Parameters', { Parameters: { fixed: [{ 'x.$': '$.a' }] } }, { a: 7 }, { fixed: [{ x: 7 }] }],
    [
      '__proto__ is a name as any other',
      { Result: 1, ResultPath: "$['__proto__'].x" },
      {},
      JSON.parse('{"__proto__":{"x":1}}'),
    ],
  ])('%s', async (_name, fields, input, expected) => {
    expect(await output({ Type: 'Pass', ...fields }, input)).toEqual(expected);
  });

  test.each([
    ["States.Format('{}-{} \\{\\} it\\'s', $.name, $.n)", "vm-3 {} it's"],
    ["States.Format('{}', $.list)", '[1,2]'],
    ["States.Array($.n, true, null, -1.5, 'it\\'s')", [3, true, null, -1.5, "it's"]],
    ['States.ArrayLength($.list)', 2],
    ['States.StringToJson($.json)', { k: [1] }],
    ['States.JsonToString($.list)', '[1,2]'],
    ['States.MathAdd($.n, States.MathAdd(1, -2))', 2],
    ['$$.State.Name', 'Only'],
    ['$$.StateMachine.Name', 'mover'],
    ['$$.Execution.Input.name', 'vm'],
    ['$$.Execution.StartTime', '2030-01-01T00:00:00.000Z'],
    ['$$.State.EnteredTime', '2030-01-01T00:00:00.000Z'],
  ])('%s', async (expression, expected) => {
    const input = { name: 'vm', n: 3, list: [1, 2], json: '{"k":[1]}' };
    expect(await output({ Type: 'Pass', Parameters: { 'v.$': expression }, OutputPath: '$.v' }, input)).toEqual(
      expected,
    );
  });

  test.each([
    ['States.StringToJson($.name)', 'States.IntrinsicFailure'],
    ["States.Format('{} {}', $.name)", 'States.IntrinsicFailure'],
    ['States.ArrayLength($.name)', 'States.IntrinsicFailure'],
    ['$.nowhere', 'States.Runtime'],
    ['$$.Execution.Input.nowhere', 'States.Runtime'],
  ])('%s fails with %s', async (expression, error) => {
    const ended = await output({ Type: 'Pass', Parameters: { 'v.$': expression } }, { name: 'not json' });
    expect(ended).toMatchObject({ status: 'FAILED', error });
  });

  test('ResultPath through a value that is no object fails by its name', async () => {
    const ended = await output({ Type: 'Pass', Result: 1, ResultPath: '$.a.b' }, { a: 'text' });
    expect(ended).toMatchObject({ status: 'FAILED', error: 'States.ResultPathMatchFailure' });
  });
});

describe('Choice', () => {
  const data = { list: [1], s: 'b', n: 5, yes: true, none: null, same: 'b', limit: 5 };
  test.each([
    [{ Variable: '$.s', StringEquals: 'b' }, true],
    [{ Variable: '$.s', StringEquals: 'c' }, false],
    [{ Variable: '$.s', StringEqualsPath: '$.same' }, true],
    [{ Variable: '$.s', StringLessThan: 'c' }, true],
    [{ Variable: '$.n', NumericEquals: 5 }, true],
    [{ Variable: '$.n', NumericLessThan: 5 }, false],
    [{ Variable: '$.n', NumericLessThanEquals: 5 }, true],
    [{ Variable: '$.n', NumericGreaterThan: 4.5 }, true],
    [{ Variable: '$.n', NumericGreaterThanEquals: 6 }, false],
    [{ Variable: '$.n', NumericGreaterThanEqualsPath: '$.limit' }, true],
    [{ Variable: '$.s', NumericEquals: 5 }, false],
    [{ Variable: '$.yes', BooleanEquals: true }, true],
    [{ Variable: '$.yes', BooleanEquals: false }, false],
    [{ Variable: '$.nowhere', IsPresent: false }, true],
    [{ Variable: '$.none', IsPresent: true }, true],
    [{ Variable: '$.constructor', IsPresent: false }, true],
    [{ Variable: '$.list.length', IsPresent: false }, true],
    [{ Variable: '$.none', IsNull: true }, true],
    [{ Variable: '$.n', IsNull: false }, true],
    [{ Variable: '$.n', IsNumeric: true }, true],
    [{ Variable: '$.n', IsString: true }, false],
    [{ Variable: '$.yes', IsBoolean: true }, true],
    [{ Not: { Variable: '$.n', NumericEquals: 5 } }, false],
    [
      {
        And: [
          { Variable: '$.n', NumericEquals: 5 },
          { Variable: '$.s', StringEquals: 'b' },
        ],
      },
      true,
    ],
    [
      {
        And: [
          { Variable: '$.n', NumericEquals: 5 },
          { Variable: '$.s', StringEquals: 'x' },
        ],
      },
      false,
    ],
    [
      {
        Or: [
          { Variable: '$.n', NumericEquals: 1 },
          { Variable: '$.s', StringEquals: 'b' },
        ],
      },
      true,
    ],
    [
      {
        And: [
          { Variable: '$.nowhere', IsPresent: true },
          { Variable: '$.nowhere', NumericEquals: 1 },
        ],
      },
      false,
    ],
  ])('%j is %s', async (rule, expected) => {
    const cloud = new TestCloud({
      StartAt: 'Ask',
      States: {
        Ask: { Type: 'Choice', Choices: [{ ...rule, Next: 'Yes' }], Default: 'No' },
        Yes: { Type: 'Pass', Result: true, End: true },
        No: { Type: 'Pass', Result: false, End: true },
      },
    });
    expect(await cloud.run(data)).toEqual({ status: 'SUCCEEDED', output: expected });
  });

  test('the first rule that holds wins; none and no Default is States.NoChoiceMatched', async () => {
    const cloud = new TestCloud({
      StartAt: 'Ask',
      States: {
        Ask: {
          Type: 'Choice',
          Choices: [
            { Variable: '$.n', NumericGreaterThan: 1, Next: 'First' },
            { Variable: '$.n', NumericGreaterThan: 0, Next: 'Second' },
          ],
        },
        First: { Type: 'Pass', Result: 'first', End: true },
        Second: { Type: 'Pass', Result: 'second', End: true },
      },
    });
    expect(await cloud.run({ n: 2 }, 'a')).toMatchObject({ output: 'first' });
    expect(await cloud.run({ n: 1 }, 'b')).toMatchObject({ output: 'second' });
    expect(await cloud.run({ n: 0 }, 'c')).toMatchObject({ status: 'FAILED', error: 'States.NoChoiceMatched' });
    expect(await cloud.run({}, 'd')).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
  });
});

describe('Wait, Succeed, Fail', () => {
  test('Wait takes its seconds, fixed or from the input, and passes its input on', async () => {
    const cloud = new TestCloud({
      StartAt: 'Fixed',
      States: {
        Fixed: { Type: 'Wait', Seconds: 3, Next: 'Given' },
        Given: { Type: 'Wait', SecondsPath: '$.s', Next: 'Done' },
        Done: { Type: 'Succeed', OutputPath: '$.s' },
      },
    });
    const startMs = cloud.clock.nowMs();
    expect(await cloud.run({ s: 4 })).toEqual({ status: 'SUCCEEDED', output: 4 });
    expect(cloud.clock.nowMs() - startMs).toBe(7_000);
  });

  test('a Wait may be longer than its clock can count', async () => {
    class ShortClock extends SimulatedClock {
      override schedule(delayMs: number, action: () => void): () => void {
        return super.schedule(Math.min(delayMs, 2 ** 31 - 1), action);
      }
    }
    const clock = new ShortClock();
    const startMs = clock.nowMs();
    const cloud = new TestCloud(single({ Type: 'Wait', Seconds: 5_000_000 }), { clock });
    expect(await cloud.run()).toMatchObject({ status: 'SUCCEEDED' });
    expect(clock.nowMs() - startMs).toBe(5_000_000_000);
  });

  test.each([
    ['fixed', { Error: 'Gone', Cause: 'it left' }, { error: 'Gone', cause: 'it left' }],
    ['by path', { ErrorPath: '$.e', CausePath: "States.Format('{}!', $.c)" }, { error: 'Late', cause: 'rain!' }],
    ['bare', {}, {}],
  ])('Fail, %s', async (_name, fields, expected) => {
    const cloud = new TestCloud(single({ Type: 'Fail', ...fields }));
    expect(await cloud.run({ e: 'Late', c: 'rain' })).toEqual({ status: 'FAILED', ...expected });
  });
});

test('lambda:invoke answers as the connector does, a function ARN with the bare result', async () => {
  const functions = { plus: ({ n }: { n: number }) => n + 1 };
  const connector = await new TestCloud(single(invoke('plus', { ResultSelector: undefined, OutputPath: '$' })), {
    functions,
  }).run({ n: 1 });
  expect(connector.output).toEqual({ ExecutedVersion: '$LATEST', Payload: 2, StatusCode: 200 });
  const arn = 'arn:aws:lambda:eu-central-1:000000000000:function:plus';
  const plain = await new TestCloud(single({ Type: 'Task', Resource: arn }), {
    functions: { [arn]: functions.plus },
  }).run({ n: 1 });
  expect(plain.output).toBe(2);
});

test('a function that returns nothing returns null', async () => {
  expect(await new TestCloud(single(invoke('f')), { functions: { f: () => undefined } }).run()).toMatchObject({
    output: null,
  });
});

describe('events:putEvents', () => {
  const state = {
    Type: 'Task',
    Resource: 'arn:aws:states:::events:putEvents',
    Parameters: {
      Entries: [{ Source: 'layermover', DetailType: 'done', Detail: { 'vm.$': '$.vm' }, EventBusName: 'main' }],
    },
  };

  test('sends the Detail as text and names the execution among the resources', async () => {
    const [entry] = state.Parameters.Entries;
    const cloud = new TestCloud(single({ ...state, Parameters: { Entries: [{ ...entry, Resources: ['arn:x'] }] } }));
    expect(await cloud.run({ vm: 'web' })).toMatchObject({
      output: { FailedEntryCount: 0, Entries: [{ EventId: 'event-0' }] },
    });
    const prefix = 'arn:aws:states:eu-central-1:000000000000';
    const Resources = ['arn:x', `${prefix}:execution:mover:one`, `${prefix}:stateMachine:mover`];
    expect(cloud.events).toEqual([
      { Source: 'layermover', DetailType: 'done', Detail: '{"vm":"web"}', EventBusName: 'main', Resources },
    ]);
  });

  test('a refused entry is EventBridge.FailedEntry', async () => {
    const putEvents = async () => ({
      FailedEntryCount: 1,
      Entries: [{ ErrorCode: 'MalformedDetail', ErrorMessage: 'no' }],
    });
    const ended = await new TestCloud(single(state), { putEvents }).run({ vm: 'web' });
    expect(ended).toMatchObject({ status: 'FAILED', error: 'EventBridge.FailedEntry' });
    expect(JSON.parse(ended.cause!)).toMatchObject({ Entries: [{ ErrorCode: 'MalformedDetail' }] });
  });
});
