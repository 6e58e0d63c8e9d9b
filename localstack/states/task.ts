import type { Connector } from './connectors.ts';
import { callError, connectorFor } from './connectors.ts';
import type { TaskState } from './definition.ts';
import { checkSize, StatesError } from './errors.ts';
import type { Command, Flow, Op, Outcome, Scope } from './flow.ts';
import { record, sourceOf } from './flow.ts';
import type { Json } from './json.ts';
import { readSeconds } from './paths.ts';
import { fill } from './template.ts';

/** One attempt at a task: everything that it may wait for, and what its history events say. */
interface Attempt {
  connector: Connector;
  call: Op;
  callback: Op | undefined;
  timeout: Op | undefined;
  heartbeat: Op | undefined;
}

/**
 * Calls the task's resource once and returns its result. With a token it waits for the callback instead, which may come
 * before the called function has returned; a function that fails fails the task. Each attempt has a token of its own.
 * @throws StatesError the function's or the callback's error, States.Timeout or States.HeartbeatTimeout
 */
export function* attemptTask(state: TaskState, input: Json, scope: Scope): Flow<Json> {
  const opened: Op[] = [];
  try {
    const attempt = start(state, input, scope, opened);
    const result = yield* settle(attempt, scope);
    reportEnd(attempt, scope, 'Succeeded', { output: result });
    return result;
  } finally {
    for (const op of opened) scope.world.close(op);
  }
}

function start(state: TaskState, input: Json, scope: Scope, opened: Op[]): Attempt {
  const { world } = scope;
  const open = (command: Command): Op => {
    const op = world.open(command);
    opened.push(op);
    return op;
  };
  const connector = connectorFor(state.Resource)!;
  const callback = connector.waitsForToken ? open({ type: 'callback' }) : undefined;
  const context = callback === undefined ? scope.context : { ...scope.context, Task: { Token: world.token(callback) } };
  const source = sourceOf(input, { ...scope, context });
  const parameters = state.Parameters === undefined ? input : fill(state.Parameters, source);
  checkSize(parameters, context.State!.Name);
  const seconds = (fixed: number | undefined, path: string | undefined, field: string): number | undefined =>
    path === undefined ? fixed : readSeconds(path, source, field, 1);
  const timeoutSeconds = seconds(state.TimeoutSeconds, state.TimeoutSecondsPath, 'TimeoutSecondsPath');
  const heartbeatSeconds = seconds(state.HeartbeatSeconds, state.HeartbeatSecondsPath, 'HeartbeatSecondsPath');
  record(scope, `${connector.events}Scheduled`, {
    ...connector.labels,
    ...(connector.events === 'Task'
      ? { parameters, region: context.StateMachine.Id.split(':')[3] ?? '' }
      : { input: parameters }),
    ...(timeoutSeconds === undefined ? {} : { timeoutInSeconds: timeoutSeconds }),
    ...(heartbeatSeconds === undefined ? {} : { heartbeatInSeconds: heartbeatSeconds }),
  });
  const call = open(connector.command(parameters, scope));
  const deadline = (length: number | undefined, beats?: Op): Op | undefined =>
    length === undefined
      ? undefined
      : open({ type: 'deadline', ms: length * 1_000, ...(beats === undefined ? {} : { beats }) });
  const timeout = deadline(timeoutSeconds);
  const heartbeat = deadline(heartbeatSeconds, callback);
  record(scope, `${connector.events}Started`, connector.events === 'Task' ? connector.labels : {});
  return { connector, call, callback, timeout, heartbeat };
}

function* settle(attempt: Attempt, scope: Scope): Flow<Json> {
  const { connector, call, callback, timeout, heartbeat } = attempt;
  const waits = [call, callback, timeout, heartbeat].filter((op) => op !== undefined);
  for (;;) {
    const { op, outcome } = yield waits;
    if (op === timeout) throw timedOut(attempt, scope, 'States.Timeout');
    if (op === heartbeat) throw timedOut(attempt, scope, 'States.HeartbeatTimeout');
    const result = resultOf(attempt, scope, outcome, op === call ? connector.result : (payload) => payload);
    if (callback === undefined || op === callback) return result;
    record(scope, 'TaskSubmitted', { ...connector.labels, output: result });
  }
}

function resultOf(attempt: Attempt, scope: Scope, outcome: Outcome, toResult: (payload: Json) => Json): Json {
  const { connector } = attempt;
  try {
    if ('error' in outcome) throw callError(outcome.error);
    if ('failure' in outcome) throw new StatesError(outcome.failure.error, outcome.failure.cause);
    return checkSize(toResult(outcome.payload), String(connector.labels.resourceType ?? connector.labels.resource));
  } catch (error) {
    if (error instanceof StatesError) reportEnd(attempt, scope, 'Failed', errorDetails(error));
    throw error;
  }
}

function timedOut(attempt: Attempt, scope: Scope, name: string): StatesError {
  const error = new StatesError(name, '');
  reportEnd(attempt, scope, 'TimedOut', errorDetails(error));
  return error;
}

function reportEnd({ connector }: Attempt, scope: Scope, end: string, details: Record<string, Json>): void {
  const labels = connector.events === 'Task' ? connector.labels : {};
  record(scope, `${connector.events}${end}`, { ...labels, ...details });
}

/** An error as history events and DescribeExecution show it. */
export function errorDetails({ errorName, causeText }: StatesError): Record<string, Json> {
  return {
    ...(errorName === undefined ? {} : { error: errorName }),
    ...(causeText ? { cause: causeText } : {}),
  };
}
