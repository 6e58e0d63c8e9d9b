import type { Clock } from '../clock.ts';
import type { EndedExecution } from '../events/sources.ts';
import type { Json } from './json.ts';

/**
 * How a function failed. `errorType` is the name that Retry and Catch see; a reply without one is Lambda.Unknown.
 * A function's own fields (trace, requestId) may follow and end up in the Cause.
 */
export interface FunctionError {
  errorType?: string;
  errorMessage: string;
  [field: string]: unknown;
}

export type InvokeResult = { payload: unknown } | { error: FunctionError };

/** One entry of PutEvents, its Detail already a JSON text. */
export interface EventEntry {
  Source?: string;
  DetailType?: string;
  Detail?: string;
  EventBusName?: string;
  Resources?: string[];
}

export interface PutEventsResult {
  FailedEntryCount: number;
  Entries: { EventId?: string; ErrorCode?: string; ErrorMessage?: string }[];
}

/** All that the interpreter knows of the world outside. */
export interface Ports {
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
  /**
   * Runs a function, synchronously as Lambda's RequestResponse. A rejection counts as `Lambda.<code>` of a
   * ServiceError, else as Lambda.SdkClientException. As on
   * AWS, a function runs on when its state has timed out or was cancelled: the signal fires only when the cloud stops.
   */
  invoke(functionName: string, payload: Json, signal: AbortSignal): Promise<InvokeResult>;
  putEvents(entries: EventEntry[]): Promise<PutEventsResult>;
  /** Hears of each execution that ends. */
  onEnd?(execution: EndedExecution): void;
}
