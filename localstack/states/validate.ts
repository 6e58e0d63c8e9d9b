import type * as z from 'zod';
import { CloudError } from '../errors.ts';
import { connectorFor } from './connectors.ts';
import type { Branch, State, TaskState } from './definition.ts';
import { Machine } from './definition.ts';
import { isObject } from './json.ts';

/**
 * Checks a whole definition before anything runs.
 * @throws CloudError DEFINITION_REFUSED that lists everything which is wrong or not supported, by state and field
 */
export function loadMachine(definition: unknown, name: string): Machine {
  const parsed = Machine.safeParse(definition);
  const problems = parsed.success
    ? branchProblems(parsed.data, { insideMap: false, names: new Set() })
    : parsed.error.issues.flatMap((issue) => describe(issue, definition));
  if (parsed.success && problems.length === 0) return parsed.data;
  throw new CloudError(
    'DEFINITION_REFUSED',
    `state machine ${name} can't be run here: ${problems.join('; ')}`,
    'Change the definition to what localstack/states/definition.ts supports, or add the feature there.',
  );
}

/** A schema issue as `States.Copy: field "Assign" is not supported`. */
function describe(issue: z.core.$ZodIssue, definition: unknown): string[] {
  const place = issue.path.join('.') || 'the machine';
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${place}: field "${key}" is not supported`);
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], definition);
  if (issue.code === 'invalid_union') return [`${place}: state type ${JSON.stringify(value)} is not supported`];
  if (issue.code === 'custom') return [`${place}: ${issue.message}`];
  return [`${place}: ${issue.message}, not ${isObject(value) ? 'an object' : JSON.stringify(value)}`];
}

interface Place {
  insideMap: boolean;
  /** Names of the states seen so far: they must differ within the whole machine. */
  names: Set<string>;
}

function branchProblems(branch: Branch, place: Place): string[] {
  const names = Object.keys(branch.States);
  const duplicates = names.filter((name) => place.names.has(name));
  for (const name of names) place.names.add(name);
  const reached = reachable(branch);
  return [
    ...(Object.hasOwn(branch.States, branch.StartAt) ? [] : [`StartAt "${branch.StartAt}" is no state`]),
    ...duplicates.map((name) => `state name "${name}" is used twice`),
    ...names.filter((name) => !reached.has(name)).map((name) => `${name}: the state can't be reached`),
    ...Object.entries(branch.States).flatMap(([name, state]) => [
      ...successors(state)
        .filter((next) => !Object.hasOwn(branch.States, next))
        .map((next) => `${name}: next state "${next}" is not in its branch`),
      ...stateProblems(state, place).map((problem) => `${name}: ${problem}`),
      ...innerBranches(state).flatMap((inner) =>
        branchProblems(inner, { ...place, insideMap: place.insideMap || state.Type === 'Map' }),
      ),
    ]),
  ];
}

function successors(state: State): string[] {
  if (state.Type === 'Choice') {
    return [...state.Choices.map(({ Next }) => Next), ...(state.Default === undefined ? [] : [state.Default])];
  }
  const next = 'Next' in state && state.Next !== undefined ? [state.Next] : [];
  return 'Catch' in state ? [...next, ...(state.Catch ?? []).map(({ Next }) => Next)] : next;
}

function reachable(branch: Branch): Set<string> {
  const reached = new Set<string>();
  const pending = [branch.StartAt];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    if (Object.hasOwn(branch.States, name)) pending.push(...successors(branch.States[name]!));
  }
  return reached;
}

function innerBranches(state: State): Branch[] {
  if (state.Type === 'Parallel') return state.Branches;
  return state.Type === 'Map' ? [state.ItemProcessor] : [];
}

/** Rules between the fields of one state. */
function stateProblems(state: State, place: Place): string[] {
  return [
    ...transitionProblems(state),
    ...contextProblems(state, place),
    ...(state.Type === 'Task' ? taskProblems(state) : []),
    ...(state.Type === 'Wait' ? oneOf(state, 'Seconds', 'SecondsPath') : []),
    ...(state.Type === 'Map' ? atMostOneOf(state, 'ItemSelector', 'Parameters') : []),
    ...(state.Type === 'Fail'
      ? [...atMostOneOf(state, 'Error', 'ErrorPath'), ...atMostOneOf(state, 'Cause', 'CausePath')]
      : []),
    ...wildcardProblems('Retry' in state ? state.Retry : undefined),
    ...wildcardProblems('Catch' in state ? state.Catch : undefined),
  ];
}

function transitionProblems(state: State): string[] {
  const ends = state.Type === 'Choice' || state.Type === 'Succeed' || state.Type === 'Fail';
  return ends ? [] : oneOf(state, 'Next', 'End');
}

function taskProblems(state: TaskState): string[] {
  const connector = connectorFor(state.Resource)!;
  const hasHeartbeat = state.HeartbeatSeconds !== undefined || state.HeartbeatSecondsPath !== undefined;
  const tooLong = (state.HeartbeatSeconds ?? 0) >= (state.TimeoutSeconds ?? Number.POSITIVE_INFINITY);
  return [
    ...connector.problems(state.Parameters),
    ...atMostOneOf(state, 'TimeoutSeconds', 'TimeoutSecondsPath'),
    ...atMostOneOf(state, 'HeartbeatSeconds', 'HeartbeatSecondsPath'),
    ...(tooLong ? ['HeartbeatSeconds must be less than TimeoutSeconds'] : []),
    ...(hasHeartbeat && !connector.waitsForToken ? ['a heartbeat without waitForTaskToken is not supported'] : []),
  ];
}

/** Context fields exist only where they mean something. */
function contextProblems(state: State, place: Place): string[] {
  const text = JSON.stringify(state, (key, value) =>
    key === 'Branches' || key === 'ItemProcessor' || key === 'Comment' ? undefined : value,
  );
  const hasToken = state.Type === 'Task' && connectorFor(state.Resource)!.waitsForToken;
  const hasItem = place.insideMap || state.Type === 'Map';
  return [
    ...(!hasToken && text.includes('$$.Task.Token') ? ['$$.Task.Token without waitForTaskToken'] : []),
    ...(!hasItem && text.includes('$$.Map.Item') ? ['$$.Map.Item outside a Map'] : []),
  ];
}

function wildcardProblems(guards: readonly { ErrorEquals: string[] }[] = []): string[] {
  const early = guards.slice(0, -1).some(({ ErrorEquals }) => ErrorEquals.includes('States.ALL'));
  return early ? ['States.ALL must come last'] : [];
}

function oneOf(state: object, left: string, right: string): string[] {
  const count = Number(left in state) + Number(right in state);
  return count === 1 ? [] : [`exactly one of "${left}" and "${right}" is needed`];
}

function atMostOneOf(state: object, left: string, right: string): string[] {
  return left in state && right in state ? [`"${left}" and "${right}" exclude each other`] : [];
}
