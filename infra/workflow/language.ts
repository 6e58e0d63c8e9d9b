/** The part of the Amazon States Language (JSONPath) that the workflow is written in. */
export interface Retrier {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds: number;
  readonly MaxAttempts: number;
  readonly BackoffRate: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: 'FULL';
}

export interface Catcher {
  readonly ErrorEquals: readonly ['States.ALL'];
  readonly ResultPath: string;
  readonly Next: string;
}

/** Where a state goes, and where its result does. */
export type Transition = { readonly Next: string } | { readonly End: true };

interface Working {
  readonly Comment?: string;
  readonly ResultPath: string | null;
  readonly Catch?: readonly Catcher[];
}

export type TaskState = Working &
  Transition & {
    readonly Type: 'Task';
    readonly Resource: string;
    readonly Parameters: { readonly FunctionName: string; readonly Payload: Readonly<Record<string, unknown>> };
    readonly ResultSelector?: Readonly<Record<string, string>>;
    readonly TimeoutSeconds: number;
    readonly HeartbeatSeconds?: number;
    readonly Retry: readonly Retrier[];
  };

export type ParallelState = Working & Transition & { readonly Type: 'Parallel'; readonly Branches: readonly Branch[] };

export type MapState = Working &
  Transition & {
    readonly Type: 'Map';
    readonly ItemsPath: string;
    readonly ItemSelector: Readonly<Record<string, unknown>>;
    readonly MaxConcurrency: number;
    readonly ItemProcessor: Branch & { readonly ProcessorConfig: { readonly Mode: 'INLINE' } };
  };

export interface ChoiceState {
  readonly Type: 'Choice';
  readonly Choices: readonly {
    readonly Variable: string;
    readonly Next: string;
    readonly [operator: string]: unknown;
  }[];
  readonly Default: string;
}

export type PassState = Transition & { readonly Type: 'Pass'; readonly Result: object; readonly ResultPath: string };
export interface SucceedState {
  readonly Type: 'Succeed';
}
export interface FailState {
  readonly Type: 'Fail';
  readonly ErrorPath: string;
  readonly CausePath: string;
}

export type State = TaskState | ParallelState | MapState | ChoiceState | PassState | SucceedState | FailState;
export type States = Readonly<Record<string, State>>;

export interface Branch {
  readonly StartAt: string;
  readonly States: States;
}

export interface Machine extends Branch {
  readonly Comment: string;
  readonly TimeoutSeconds: number;
}
