import type { Branch, MapState, ParallelState } from './definition.ts';
import { runtimeError } from './errors.ts';
import type { Flow, Scope } from './flow.ts';
import { record, sideBySide, sourceOf } from './flow.ts';
import type { Json } from './json.ts';
import { limits } from './limits.ts';
import { read } from './paths.ts';
import { fill } from './template.ts';

/** Runs the states of a branch from its start to its end. */
type RunBranch = (branch: Branch, input: Json, scope: Scope) => Flow<Json>;

/** Runs all branches on the same input; the result is the list of their outputs. */
export function* attemptParallel(state: ParallelState, input: Json, scope: Scope, run: RunBranch): Flow<Json> {
  const branchInput = state.Parameters === undefined ? input : fill(state.Parameters, sourceOf(input, scope));
  record(scope, 'ParallelStateStarted');
  const flows = state.Branches.map((branch) => () => run(branch, branchInput, fork(scope)));
  const outputs = yield* joined(sideBySide(flows, flows.length), scope);
  record(scope, 'ParallelStateSucceeded');
  return outputs;
}

/** Runs the processor on each item of an array; the result is the list of its outputs, in the order of the items. */
export function* attemptMap(state: MapState, input: Json, scope: Scope, run: RunBranch): Flow<Json> {
  const items = state.ItemsPath === undefined ? input : read(state.ItemsPath, sourceOf(input, scope), 'ItemsPath');
  if (!Array.isArray(items)) throw runtimeError(`Map state input must be an array but was: ${JSON.stringify(items)}`);
  record(scope, 'MapStateStarted', { length: items.length });
  const width = Math.min(state.MaxConcurrency || limits.map_concurrency_max, limits.map_concurrency_max);
  const flows = items.map((item, index) => () => iterate(state, input, item, index, scope, run));
  const outputs = yield* joined(sideBySide(flows, width), scope);
  record(scope, 'MapStateSucceeded');
  return outputs;
}

function* iterate(state: MapState, input: Json, item: Json, index: number, outer: Scope, run: RunBranch): Flow<Json> {
  const scope = fork(outer, { Item: { Index: index, Value: item } });
  const label = { name: outer.context.State!.Name, index };
  let end = 'Aborted';
  try {
    record(scope, 'MapIterationStarted', label);
    const selector = state.ItemSelector ?? state.Parameters;
    const output = yield* run(
      state.ItemProcessor,
      selector === undefined ? item : fill(selector, sourceOf(input, scope)),
      scope,
    );
    end = 'Succeeded';
    return output;
  } catch (error) {
    end = 'Failed';
    throw error;
  } finally {
    record(scope, `MapIteration${end}`, label);
  }
}

/** The scope of a branch: its events follow on from where the branches part. */
function fork(scope: Scope, item?: Scope['context']['Map']): Scope {
  const context = item === undefined ? scope.context : { ...scope.context, Map: item };
  return { ...scope, context, trail: { ...scope.trail } };
}

/** After the branches have joined or failed, the next event follows on from the last of theirs. */
function* joined<T>(flow: Flow<T>, scope: Scope): Flow<T> {
  try {
    return yield* flow;
  } finally {
    scope.trail.lastId = scope.world.lastEventId();
  }
}
