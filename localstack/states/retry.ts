import type { MapState, ParallelState, Retrier, TaskState } from './definition.ts';
import { matches, StatesError } from './errors.ts';
import type { Flow, Scope } from './flow.ts';
import { pause, record } from './flow.ts';
import type { Json } from './json.ts';
import { place } from './paths.ts';

/** What a visit to a state leads to; without a next state its branch is done. */
export interface Step {
  output: Json;
  next: string | undefined;
}

const DEFAULTS = { IntervalSeconds: 1, MaxAttempts: 3, BackoffRate: 2 };

/**
 * Does a state's work, again and again as its Retry says; when that is used up, its Catch takes the error. Each retrier
 * counts its own attempts. `attempt` gets a scope whose context tells the number of retries.
 */
export function* guarded(
  state: TaskState | ParallelState | MapState,
  input: Json,
  scope: Scope,
  attempt: (scope: Scope) => Flow<Json>,
): Flow<Step> {
  const used = new Map<Retrier, number>();
  for (let retries = 0; ; retries++) {
    try {
      return { output: yield* attempt(withRetryCount(scope, retries)), next: state.Next };
    } catch (error) {
      if (!(error instanceof StatesError)) throw error;
      const retrier = state.Retry?.find(({ ErrorEquals }) => matches(ErrorEquals, error.errorName));
      const attempts = retrier === undefined ? 0 : (used.get(retrier) ?? 0);
      if (retrier !== undefined && attempts < (retrier.MaxAttempts ?? DEFAULTS.MaxAttempts)) {
        used.set(retrier, attempts + 1);
        yield* pause(
          delaySeconds(retrier, attempts, () => scope.world.chance()),
          scope,
        );
      } else {
        return catchError(state, input, scope, error);
      }
    }
  }
}

function withRetryCount(scope: Scope, retries: number): Scope {
  const State = { ...scope.context.State!, RetryCount: retries };
  return { ...scope, context: { ...scope.context, State } };
}

/** The wait before a retry: interval × rate^attempts, capped, and with full jitter anything between that and nothing. */
export function delaySeconds(retrier: Retrier, attempts: number, chance: () => number): number {
  const interval = retrier.IntervalSeconds ?? DEFAULTS.IntervalSeconds;
  const grown = interval * (retrier.BackoffRate ?? DEFAULTS.BackoffRate) ** attempts;
  const capped = Math.min(grown, retrier.MaxDelaySeconds ?? Number.POSITIVE_INFINITY);
  return retrier.JitterStrategy === 'FULL' ? capped * chance() : capped;
}

function catchError(state: TaskState | ParallelState | MapState, input: Json, scope: Scope, error: StatesError): Step {
  if (state.Type !== 'Task') record(scope, `${state.Type}StateFailed`);
  const catcher = state.Catch?.find(({ ErrorEquals }) => matches(ErrorEquals, error.errorName));
  if (catcher === undefined) throw error;
  const errorOutput = { Error: error.errorName ?? null, Cause: error.causeText ?? null };
  return { output: place(input, catcher.ResultPath, errorOutput), next: catcher.Next };
}
