import { describe, expect, test } from 'vitest';
import { invoke, single, TestCloud, withToken } from './states-cloud.ts';

/** The words with which a definition is refused; empty if it is not. */
function refusal(definition: unknown): string {
  try {
    new TestCloud(definition);
    return '';
  } catch (error) {
    expect(error).toMatchObject({ code: 'DEFINITION_REFUSED' });
    return (error as Error).message;
  }
}

const pass = { Type: 'Pass', End: true };
const lambda = 'arn:aws:states:::lambda:invoke';

describe('a machine is refused at load, by state and name, for', () => {
  test.each([
    ['an unknown state type', single({ Type: 'Loop' }), 'States.Only.Type: state type "Loop" is not supported'],
    ['no state type', { StartAt: 'Only', States: { Only: { End: true } } }, 'States.Only.Type: state type undefined'],
    ['variables', single({ Type: 'Pass', Assign: { a: 1 } }), 'States.Only: field "Assign" is not supported'],
    ['JSONata in a state', single({ Type: 'Pass', QueryLanguage: 'JSONata' }), 'States.Only.QueryLanguage'],
    ['JSONata in the machine', { ...single({ Type: 'Pass' }), QueryLanguage: 'JSONata' }, 'QueryLanguage: '],
    [
      'JSONata fields',
      single(invoke('f', { Arguments: {}, Output: '{% 1 %}' })),
      'field "Arguments" is not supported; States.Only: field "Output"',
    ],
    [
      'another resource',
      single({ Type: 'Task', Resource: 'arn:aws:states:::sqs:sendMessage' }),
      'resource "arn:aws:states:::sqs:sendMessage" is not supported',
    ],
    [
      'a synchronous job',
      single({ Type: 'Task', Resource: 'arn:aws:states:::states:startExecution.sync' }),
      'startExecution.sync" is not supported',
    ],
    [
      'an activity',
      single({ Type: 'Task', Resource: 'arn:aws:states:eu-central-1:000000000000:activity:x' }),
      'activity:x" is not supported',
    ],
    ['no function', single({ Type: 'Task', Resource: lambda }), 'Only: Parameters need "FunctionName"'],
    [
      'a parameter of the connector',
      single({ Type: 'Task', Resource: lambda, Parameters: { FunctionName: 'f', InvocationType: 'Event' } }),
      'parameter "InvocationType" is not supported',
    ],
    [
      'a field of an event entry',
      single({ Type: 'Task', Resource: 'arn:aws:states:::events:putEvents', Parameters: { Entries: [{ Time: 1 }] } }),
      'parameter "Time" is not supported',
    ],
    [
      'an intrinsic function',
      single({ Type: 'Pass', Parameters: { 'x.$': 'States.UUID()' } }),
      'intrinsic function "States.UUID" is not supported',
    ],
    [
      'a nested intrinsic function',
      single({ Type: 'Pass', Parameters: { a: [{ 'x.$': 'States.Array(States.Hash($.a, 1))' }] } }),
      '"States.Hash" is not supported',
    ],
    [
      'a template value that is no expression',
      single({ Type: 'Pass', Parameters: { 'x.$': 5 } }),
      '"x.$" must be a path or an intrinsic function',
    ],
    ['a wildcard path', single({ Type: 'Pass', InputPath: '$.list[*].x' }), '"[*].x" is not supported'],
    ['a descending path', single({ Type: 'Pass', OutputPath: '$..x' }), '"..x" is not supported'],
    ['a filter path', single({ Type: 'Pass', Parameters: { 'x.$': '$.a[?(@.b)]' } }), '"[?(@.b)]" is not supported'],
    [
      'a ResultPath with an index',
      single({ Type: 'Pass', ResultPath: '$.a[0]' }),
      'ResultPath "$.a[0]" must be made of field names',
    ],
    [
      'a context field',
      single({ Type: 'Pass', Parameters: { 'x.$': '$$.Execution.RoleArn' } }),
      'context field "$$.Execution.RoleArn" is not supported',
    ],
    ['the whole context', single({ Type: 'Pass', Parameters: { 'x.$': '$$' } }), 'context field "$$" is not supported'],
    [
      'a token without waitForTaskToken',
      single(invoke('f', { Parameters: { FunctionName: 'f', 'Payload.$': '$$.Task.Token' } })),
      'Only: $$.Task.Token without waitForTaskToken',
    ],
    [
      'an item outside a Map',
      single({ Type: 'Pass', InputPath: '$$.Map.Item.Value' }),
      'Only: $$.Map.Item outside a Map',
    ],
    [
      'an item in a branch outside a Map',
      single({
        Type: 'Parallel',
        Branches: [{ StartAt: 'P', States: { P: { ...pass, InputPath: '$$.Map.Item.Value' } } }],
      }),
      'P: $$.Map.Item outside a Map',
    ],
    [
      'a choice operator',
      {
        StartAt: 'Ask',
        States: { Ask: { Type: 'Choice', Choices: [{ Variable: '$.a', StringMatches: '*', Next: 'Ask' }] } },
      },
      'choice operator "StringMatches" is not supported',
    ],
    [
      'a nested choice operator',
      {
        StartAt: 'Ask',
        States: { Ask: { Type: 'Choice', Choices: [{ Not: { Variable: '$.a', TimestampEquals: 'x' }, Next: 'Ask' }] } },
      },
      '"TimestampEquals" is not supported',
    ],
    [
      'an operand of the wrong type',
      {
        StartAt: 'Ask',
        States: { Ask: { Type: 'Choice', Choices: [{ Variable: '$.a', NumericEquals: '1', Next: 'Ask' }] } },
      },
      '"NumericEquals" must be a number',
    ],
    [
      'two operators in a rule',
      {
        StartAt: 'Ask',
        States: { Ask: { Type: 'Choice', Choices: [{ Variable: '$.a', IsNull: true, IsPresent: true, Next: 'Ask' }] } },
      },
      'more than one operator',
    ],
    [
      'a rule without Next',
      { StartAt: 'Ask', States: { Ask: { Type: 'Choice', Choices: [{ Variable: '$.a', IsNull: true }] } } },
      'the rule has no "Next"',
    ],
    [
      'a moment to wait for',
      single({ Type: 'Wait', Timestamp: '2030-01-01T00:00:00Z' }),
      'field "Timestamp" is not supported',
    ],
    ['no wait at all', single({ Type: 'Wait' }), 'exactly one of "Seconds" and "SecondsPath"'],
    [
      'a distributed Map',
      single({
        Type: 'Map',
        ItemProcessor: { ProcessorConfig: { Mode: 'DISTRIBUTED' }, StartAt: 'P', States: { P: pass } },
      }),
      'ProcessorConfig.Mode',
    ],
    [
      'tolerated failures',
      single({ Type: 'Map', ToleratedFailurePercentage: 5, ItemProcessor: { StartAt: 'P', States: { P: pass } } }),
      'field "ToleratedFailurePercentage" is not supported',
    ],
    [
      'an ItemReader',
      single({ Type: 'Map', ItemReader: {}, ItemProcessor: { StartAt: 'P', States: { P: pass } } }),
      'field "ItemReader" is not supported',
    ],
    [
      'an Iterator',
      single({ Type: 'Map', Iterator: { StartAt: 'P', States: { P: pass } } }),
      'field "Iterator" is not supported',
    ],
    [
      'a fault inside a branch',
      single({ Type: 'Parallel', Branches: [{ StartAt: 'P', States: { P: { Type: 'Pass', Foo: 1, End: true } } }] }),
      'States.Only.Branches.0.States.P: field "Foo" is not supported',
    ],
    [
      'a heartbeat without a token',
      single(invoke('f', { HeartbeatSeconds: 5 })),
      'a heartbeat without waitForTaskToken is not supported',
    ],
    [
      'a heartbeat as long as the time-out',
      single(withToken('f', { HeartbeatSeconds: 5, TimeoutSeconds: 5 })),
      'HeartbeatSeconds must be less',
    ],
    [
      'two time-outs',
      single(invoke('f', { TimeoutSeconds: 5, TimeoutSecondsPath: '$.t' })),
      '"TimeoutSeconds" and "TimeoutSecondsPath" exclude each other',
    ],
    ['seconds out of bounds', single(invoke('f', { TimeoutSeconds: 0 })), 'States.Only.TimeoutSeconds'],
    [
      'an error that can not be caught',
      single(invoke('f', { Retry: [{ ErrorEquals: ['States.Runtime'] }] })),
      'error name "States.Runtime" is not supported',
    ],
    [
      'States.ALL beside others',
      single(invoke('f', { Retry: [{ ErrorEquals: ['States.ALL', 'A'] }] })),
      'States.ALL must stand alone',
    ],
    [
      'States.ALL before others',
      single(invoke('f', { Retry: [{ ErrorEquals: ['States.ALL'] }, { ErrorEquals: ['A'] }] })),
      'States.ALL must come last',
    ],
    [
      'a retry field',
      single(invoke('f', { Retry: [{ ErrorEquals: ['A'], Delay: 1 }] })),
      'field "Delay" is not supported',
    ],
    [
      'Catch on a state that has none',
      single({ Type: 'Wait', Seconds: 1, Catch: [] }),
      'field "Catch" is not supported',
    ],
    [
      'a state after which nothing comes',
      { StartAt: 'A', States: { A: { Type: 'Pass' } } },
      'exactly one of "Next" and "End"',
    ],
    [
      'an unknown next state',
      { StartAt: 'A', States: { A: { Type: 'Pass', Next: 'B' } } },
      'A: next state "B" is not in its branch',
    ],
    [
      'an unknown catcher',
      single(invoke('f', { Catch: [{ ErrorEquals: ['A'], Next: 'B' }] })),
      'next state "B" is not in its branch',
    ],
    ['an unknown start', { StartAt: 'B', States: { A: pass } }, 'StartAt "B" is no state'],
    ['a state that nothing leads to', { StartAt: 'A', States: { A: pass, B: pass } }, "B: the state can't be reached"],
    [
      'a name that is used twice',
      {
        StartAt: 'A',
        States: { A: { Type: 'Parallel', End: true, Branches: [{ StartAt: 'A', States: { A: pass } }] } },
      },
      'state name "A" is used twice',
    ],
    ['a field of the machine', { ...single({ Type: 'Pass' }), Foo: 1 }, 'the machine: field "Foo" is not supported'],
    ['text', '{"StartAt":"A"}', 'the machine: '],
  ])('%s', (_name, definition, words) => {
    expect(refusal(definition)).toContain(words);
  });

  test('all of it at once', () => {
    const words = refusal({ StartAt: 'A', States: { A: { Type: 'Pass', Foo: 1, End: true }, B: { Type: 'Bar' } } });
    expect(words).toContain('field "Foo"');
    expect(words).toContain('state type "Bar"');
  });
});

test('what CDK writes around a definition is taken', () => {
  const definition = {
    Comment: 'moves a VM',
    Version: '1.0',
    QueryLanguage: 'JSONPath',
    TimeoutSeconds: 86_400,
    StartAt: 'Each',
    States: {
      Each: {
        Type: 'Map',
        Comment: 'the token is $$.Task.Token',
        Next: 'Done',
        ItemsPath: '$.vms',
        ItemSelector: { 'vm.$': '$$.Map.Item.Value', 'execution.$': '$$.Execution.Name' },
        MaxConcurrency: 4,
        ItemProcessor: {
          ProcessorConfig: { Mode: 'INLINE' },
          StartAt: 'Copy',
          States: {
            Copy: {
              End: true,
              Retry: [
                {
                  ErrorEquals: ['Lambda.ClientExecutionTimeoutException', 'Lambda.ServiceException'],
                  IntervalSeconds: 2,
                  MaxAttempts: 6,
                  BackoffRate: 2,
                },
              ],
              Type: 'Task',
              TimeoutSeconds: 60,
              HeartbeatSeconds: 20,
              Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
              Parameters: {
                FunctionName: 'arn:aws:lambda:eu-central-1:000000000000:function:copy',
                Payload: { 'token.$': '$$.Task.Token' },
              },
            },
          },
        },
      },
      Done: { Type: 'Succeed' },
    },
  };
  expect(refusal(definition)).toBe('');
});
