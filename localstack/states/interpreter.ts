import { attemptMap, attemptParallel } from './branches.ts';
import { holds } from './choice.ts';
import type {
  Branch,
  ChoiceState,
  FailState,
  MapState,
  ParallelState,
  PassState,
  State,
  SucceedState,
  TaskState,
  WaitState,
} from './definition.ts';
import { checkSize, located, runtimeError, StatesError } from './errors.ts';
import type { Flow, Scope } from './flow.ts';
import { pause, record, sourceOf } from './flow.ts';
import type { Json } from './json.ts';
import { place, readSeconds, select } from './paths.ts';
import type { Step } from './retry.ts';
import { guarded } from './retry.ts';
import { attemptTask } from './task.ts';
import { compute, fill } from './template.ts';

/**
 * The interpreter of the Amazon States Language: walks from state to state until one ends the branch.
 * @returns the output of the last state
 * @throws StatesError the error that nothing caught
 */
export function* runBranch(branch: Branch, input: Json, scope: Scope): Flow<Json> {
  let name: string | undefined = branch.StartAt;
  let data = input;
  while (name !== undefined) {
    const { output, next }: Step = yield* visit(name, branch.States[name]!, data, scope);
    data = output;
    name = next;
  }
  return data;
}

/** Goes through one state, with its history. */
function* visit(name: string, state: State, input: Json, outer: Scope): Flow<Step> {
  const EnteredTime = new Date(outer.world.nowMs()).toISOString();
  const scope = { ...outer, context: { ...outer.context, State: { Name: name, EnteredTime, RetryCount: 0 } } };
  record(scope, `${state.Type}StateEntered`, { name, input });
  const enteredId = scope.trail.lastId;
  let cancelled = true;
  try {
    const step = yield* enter(state, input, scope);
    checkSize(step.output, name);
    cancelled = false;
    record(scope, `${state.Type}StateExited`, { name, output: step.output });
    return step;
  } catch (error) {
    cancelled = false;
    throw located(error, name, enteredId);
  } finally {
    if (cancelled) record(scope, `${state.Type}StateAborted`);
  }
}

function* enter(state: State, input: Json, scope: Scope): Flow<Step> {
  switch (state.Type) {
    case 'Task':
      return yield* work(state, input, scope, attemptTask);
    case 'Parallel':
      return yield* work(state, input, scope, (parallel, data, inner) =>
        attemptParallel(parallel, data, inner, runBranch),
      );
    case 'Map':
      return yield* work(state, input, scope, (map, data, inner) => attemptMap(map, data, inner, runBranch));
    case 'Wait':
      return yield* wait(state, input, scope);
    case 'Pass':
      return pass(state, input, scope);
    case 'Choice':
      return choose(state, input, scope);
    case 'Succeed':
      return succeed(state, input, scope);
    case 'Fail':
      throw failure(state, input, scope);
  }
}

/** Task, Parallel, Map: InputPath, then the work with Retry and Catch, then ResultSelector, ResultPath, OutputPath. */
function work<S extends TaskState | ParallelState | MapState>(
  state: S,
  input: Json,
  outer: Scope,
  attempt: (state: S, input: Json, scope: Scope) => Flow<Json>,
): Flow<Step> {
  return guarded(state, input, outer, function* (scope) {
    const result = yield* attempt(state, select(state.InputPath, sourceOf(input, scope), 'InputPath'), scope);
    const selected = state.ResultSelector === undefined ? result : fill(state.ResultSelector, sourceOf(result, scope));
    return output(state, place(input, state.ResultPath, selected), scope);
  });
}

function pass(state: PassState, input: Json, scope: Scope): Step {
  const effective = select(state.InputPath, sourceOf(input, scope), 'InputPath');
  const filled = state.Parameters === undefined ? effective : fill(state.Parameters, sourceOf(effective, scope));
  const result = state.Result === undefined ? filled : state.Result;
  return { output: output(state, place(input, state.ResultPath, result), scope), next: state.Next };
}

function choose(state: ChoiceState, input: Json, scope: Scope): Step {
  const effective = select(state.InputPath, sourceOf(input, scope), 'InputPath');
  const chosen = state.Choices.find((rule) => holds(rule, sourceOf(effective, scope)))?.Next ?? state.Default;
  if (chosen === undefined) throw new StatesError('States.NoChoiceMatched', 'No rule matched and there is no Default.');
  return { output: output(state, effective, scope), next: chosen };
}

function* wait(state: WaitState, input: Json, scope: Scope): Flow<Step> {
  const effective = select(state.InputPath, sourceOf(input, scope), 'InputPath');
  const seconds = state.Seconds ?? readSeconds(state.SecondsPath!, sourceOf(effective, scope), 'SecondsPath', 0);
  yield* pause(seconds, scope);
  return { output: output(state, effective, scope), next: state.Next };
}

function succeed(state: SucceedState, input: Json, scope: Scope): Step {
  const effective = select(state.InputPath, sourceOf(input, scope), 'InputPath');
  return { output: output(state, effective, scope), next: undefined };
}

function failure(state: FailState, input: Json, scope: Scope): StatesError {
  const text = (fixed: string | undefined, path: string | undefined, field: string): string | undefined => {
    if (path === undefined) return fixed;
    const value = compute(path, sourceOf(input, scope), field);
    if (typeof value !== 'string') throw runtimeError(`The value of '${field}' is not a string.`);
    return value;
  };
  return new StatesError(
    text(state.Error, state.ErrorPath, 'ErrorPath'),
    text(state.Cause, state.CausePath, 'CausePath'),
  );
}

function output(state: { OutputPath?: string | null | undefined }, data: Json, scope: Scope): Json {
  return select(state.OutputPath, sourceOf(data, scope), 'OutputPath');
}
