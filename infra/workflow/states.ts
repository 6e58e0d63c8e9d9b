import { limits } from '../../core/limits.ts';
import type { Branch, Catcher, MapState, ParallelState, Retrier, TaskState, Transition } from './language.ts';

type Payload = Readonly<Record<string, unknown>>;

interface Options {
  /** Fields of the function's answer that the state keeps, and where; without it nothing is kept. */
  readonly keep?: { readonly at: string; readonly fields: readonly string[] };
  readonly onError?: string;
  /** Nothing comes after it that could put right what it leaves undone: it is tried far longer. */
  readonly last?: boolean;
}

/** What Lambda itself may say, and what the function says when it failed for a reason of its own. */
const PASSING = [
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.TooManyRequestsException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.Unknown',
  'Sandbox.Timedout',
  'INTERNAL',
];

const again = (errors: readonly string[], attempts: number = limits.step_attempts_max): Retrier => ({
  ErrorEquals: errors,
  IntervalSeconds: 1,
  MaxAttempts: attempts - 1,
  BackoffRate: 2,
  MaxDelaySeconds: limits.step_delay_seconds_max,
  JitterStrategy: 'FULL',
});

/** An agent that fell silent may come back: the task is posted again, with a token of its own. */
const handOutAgain: Retrier = {
  ErrorEquals: ['States.HeartbeatTimeout', 'States.Timeout'],
  IntervalSeconds: 1,
  MaxAttempts: limits.task_attempts_max - 1,
  BackoffRate: 1,
};

/** What every state of a migration is about: the migration, and which run of it. */
const ABOUT = { 'migration.$': '$.migration', 'run.$': '$.run' };

/** Makes the states of one machine: all of them call the same function, and say what they are `about`. */
export function statesOf(functionName: string, about: Payload = ABOUT) {
  /** Runs one of the function's steps. */
  function step(name: string, payload: Payload, next: Transition, options: Options = {}): TaskState {
    const { keep, last = false } = options;
    const attempts = last ? limits.last_step_attempts_max : limits.step_attempts_max;
    const selected = keep?.fields.map((field) => [`${field}.$`, `$.Payload.${field}`]);
    return {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke',
      Parameters: { FunctionName: functionName, Payload: { step: name, ...about, ...payload } },
      ...(selected === undefined ? {} : { ResultSelector: Object.fromEntries(selected) }),
      ResultPath: keep?.at ?? null,
      TimeoutSeconds: limits.step_state_seconds,
      Retry: [again([...PASSING, 'States.Timeout'], attempts)],
      ...caught(options.onError),
      ...next,
    };
  }

  /** Posts a task for an agent and waits until the agent has reported; its polls are the heartbeat. */
  function agentTask(kind: string, what: string, next: Transition): TaskState {
    const payload = {
      step: 'dispatch',
      kind,
      ...about,
      'what.$': what,
      'token.$': '$$.Task.Token',
    };
    return {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
      Parameters: { FunctionName: functionName, Payload: payload },
      ResultPath: null,
      TimeoutSeconds: limits.task_seconds_max,
      HeartbeatSeconds: limits.task_heartbeat_seconds,
      Retry: [again(PASSING), handOutAgain],
      ...next,
    };
  }

  return { step, agentTask };
}

export type StatesOf = ReturnType<typeof statesOf>;

/** Runs a branch for each item of a list; what the branches find is in the records, so nothing is kept. */
export function forEach(
  items: string,
  select: Payload,
  concurrency: number,
  branch: Branch,
  next: Transition,
  onError?: string,
): MapState {
  return {
    Type: 'Map',
    ItemsPath: items,
    ItemSelector: { ...ABOUT, ...select },
    MaxConcurrency: concurrency,
    ItemProcessor: { ProcessorConfig: { Mode: 'INLINE' }, ...branch },
    ResultPath: null,
    ...caught(onError),
    ...next,
  };
}

/** Runs branches side by side. */
export function sideBySide(branches: readonly Branch[], next: Transition, onError: string): ParallelState {
  return { Type: 'Parallel', Branches: branches, ResultPath: null, ...caught(onError), ...next };
}

function caught(next: string | undefined): { Catch?: readonly Catcher[] } {
  return next === undefined ? {} : { Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: next }] };
}
