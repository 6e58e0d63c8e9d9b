import type { Json } from './json.ts';
import { jsonBytes } from './json.ts';
import { limits } from './limits.ts';

/** An error of the States Language: what Retry and Catch match and what an execution fails with. */
export class StatesError extends Error {
  readonly errorName: string | undefined;
  readonly causeText: string | undefined;

  constructor(errorName: string | undefined, causeText?: string) {
    super(`${errorName ?? 'unnamed error'}: ${causeText ?? ''}`);
    this.name = 'StatesError';
    this.errorName = errorName;
    this.causeText = causeText;
  }
}

/** Errors that no wildcard matches: they end the execution. */
const TERMINAL = new Set<string | undefined>(['States.Runtime', 'States.DataLimitExceeded']);
/** A missed heartbeat is a kind of time-out. */
const TIMEOUTS = new Set<string | undefined>(['States.Timeout', 'States.HeartbeatTimeout']);

/** Whether a retrier's or catcher's ErrorEquals takes an error. Source: "Handling errors in Step Functions workflows". */
export function matches(names: readonly string[], error: string | undefined): boolean {
  return names.some((name) => {
    if (name === 'States.ALL') return !TERMINAL.has(error);
    if (name === 'States.TaskFailed') return !TERMINAL.has(error) && !TIMEOUTS.has(error);
    if (name === 'States.Timeout') return TIMEOUTS.has(error);
    return name === error;
  });
}

/** A path or a value that the definition relies on is not there: nothing can catch this. */
export function runtimeError(message: string): StatesError {
  return new StatesError('States.Runtime', message);
}

/** Refuses a payload over the quota with States.DataLimitExceeded; `producer` is the state or resource it came from. */
export function checkSize(value: Json, producer: string): Json {
  if (jsonBytes(value) <= limits.payload_bytes_max) return value;
  throw new StatesError(
    'States.DataLimitExceeded',
    `The state/task '${producer}' returned a result with a size exceeding the maximum number of bytes service limit.`,
  );
}

/** A States.Runtime error with the state where it happened, in AWS's words; other errors speak for themselves. */
export function located(error: unknown, state: string, enteredId: number): unknown {
  if (!(error instanceof StatesError) || error.errorName !== 'States.Runtime') return error;
  const lead = 'An error occurred while executing the state';
  if (error.causeText?.startsWith(lead)) return error;
  return runtimeError(`${lead} '${state}' (entered at the event id #${enteredId}). ${error.causeText}`);
}
