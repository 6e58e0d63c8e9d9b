import { runtimeError, StatesError } from './errors.ts';
import type { Command, Scope } from './flow.ts';
import type { Json, JsonObject } from './json.ts';
import { isObject } from './json.ts';
import type { EventEntry, FunctionError } from './ports.ts';

/** How a Task's Resource is called and how its answer is read. */
export interface Connector {
  /** What its history events begin with. */
  events: 'Task' | 'LambdaFunction';
  /** What its history events say about it. */
  labels: JsonObject;
  waitsForToken: boolean;
  /** Everything in Parameters that is not supported, in words. */
  problems(parameters: Json | undefined): string[];
  command(parameters: Json, scope: Scope): Command;
  /** The state's result. @throws StatesError if the answer means failure */
  result(payload: Json): Json;
}

const FUNCTION_ARN = /^arn:aws:lambda:[\w-]+:\d{12}:function:[\w-]+(:[\w$-]+)?$/;

export function connectorFor(resource: string): Connector | undefined {
  if (FUNCTION_ARN.test(resource)) return plainFunction(resource);
  return Object.hasOwn(CONNECTORS, resource) ? CONNECTORS[resource] : undefined;
}

function plainFunction(resource: string): Connector {
  return {
    events: 'LambdaFunction',
    labels: { resource },
    waitsForToken: false,
    problems: () => [],
    command: (payload) => ({ type: 'invoke', functionName: resource, payload }),
    result: (payload) => payload,
  };
}

const lambdaInvoke: Connector = {
  events: 'Task',
  labels: { resourceType: 'lambda', resource: 'invoke' },
  waitsForToken: false,
  problems: (parameters) => fieldProblems(parameters, ['FunctionName'], ['Payload']),
  command(parameters) {
    const { FunctionName, Payload } = parameters as JsonObject;
    if (typeof FunctionName !== 'string') throw runtimeError('FunctionName is not a string.');
    return { type: 'invoke', functionName: FunctionName, payload: Payload ?? {} };
  },
  result: (payload) => ({ ExecutedVersion: '$LATEST', Payload: payload, StatusCode: 200 }),
};

const lambdaInvokeWithToken: Connector = {
  ...lambdaInvoke,
  labels: { resourceType: 'lambda', resource: 'invoke.waitForTaskToken' },
  waitsForToken: true,
};

const ENTRY_FIELDS = ['Detail', 'DetailType', 'EventBusName', 'Resources', 'Source'];

const putEvents: Connector = {
  events: 'Task',
  labels: { resourceType: 'events', resource: 'putEvents' },
  waitsForToken: false,
  problems(parameters) {
    const entries = isObject(parameters) ? parameters.Entries : undefined;
    const entryProblems = Array.isArray(entries)
      ? entries.flatMap((entry: Json) => fieldProblems(entry, [], ENTRY_FIELDS))
      : [];
    return [...fieldProblems(parameters, ['Entries'], []), ...entryProblems];
  },
  command(parameters, { context }) {
    const { Entries } = parameters as JsonObject;
    if (!Array.isArray(Entries)) throw runtimeError('Entries is not an array.');
    const origin = [context.Execution.Id, context.StateMachine.Id];
    return { type: 'putEvents', entries: Entries.map((entry) => toEventEntry(entry, origin)) };
  },
  result(payload) {
    if ((payload as JsonObject).FailedEntryCount === 0) return payload;
    throw new StatesError('EventBridge.FailedEntry', JSON.stringify(payload));
  },
};

const CONNECTORS: Record<string, Connector> = {
  'arn:aws:states:::lambda:invoke': lambdaInvoke,
  'arn:aws:states:::lambda:invoke.waitForTaskToken': lambdaInvokeWithToken,
  'arn:aws:states:::events:putEvents': putEvents,
};

/** Step Functions turns an object Detail into text and names the execution and its machine among the resources. */
function toEventEntry(entry: Json, origin: string[]): EventEntry {
  if (!isObject(entry)) throw runtimeError('An entry of Entries is not an object.');
  const { Detail, Resources = [] } = entry;
  return {
    ...entry,
    ...(Detail === undefined ? {} : { Detail: typeof Detail === 'string' ? Detail : JSON.stringify(Detail) }),
    Resources: [...(Resources as string[]), ...origin],
  };
}

function fieldProblems(value: Json | undefined, required: string[], optional: string[]): string[] {
  const names = isObject(value) ? Object.keys(value).map((key) => key.replace(/\.\$$/, '')) : [];
  return [
    ...required.filter((name) => !names.includes(name)).map((name) => `Parameters need "${name}"`),
    ...names
      .filter((name) => !required.includes(name) && !optional.includes(name))
      .map((name) => `parameter "${name}" is not supported`),
  ];
}

/**
 * The error that a failed call means: its errorType is the name, its JSON the cause. What Lambda itself reports (names
 * that begin with `Lambda.`) comes with its plain message.
 */
export function callError(error: FunctionError): StatesError {
  if (error.errorType === undefined) {
    const returned = JSON.stringify(error);
    return new StatesError(
      'Lambda.Unknown',
      `The cause could not be determined because Lambda did not return an error type. Returned payload: ${returned}`,
    );
  }
  const own = /^(Lambda|EventBridge)\./.test(error.errorType);
  return new StatesError(error.errorType, own ? error.errorMessage : JSON.stringify(error));
}
