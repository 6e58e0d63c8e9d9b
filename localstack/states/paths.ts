import { runtimeError, StatesError } from './errors.ts';
import type { Json } from './json.ts';
import { isObject } from './json.ts';
import { limits } from './limits.ts';

/** What paths read: `$` is the state's data, `$$` the context object. */
export interface Source {
  input: Json;
  context: Json;
}

export interface Path {
  root: '$' | '$$';
  steps: readonly (string | number)[];
}

/** The fields of the context object that exist here; below the starred ones any path may follow. */
const CONTEXT_FIELDS = [
  'Execution.Id',
  'Execution.Name',
  'Execution.Input*',
  'Execution.StartTime',
  'State.Name',
  'State.EnteredTime',
  'State.RetryCount',
  'StateMachine.Id',
  'StateMachine.Name',
  'Task.Token',
  'Map.Item.Index',
  'Map.Item.Value*',
];

const STEP = /\.([A-Za-z_][\w-]*)|\['([^'\\]*)'\]|\[(\d+)\]/y;

/**
 * Reads a reference path: `$.a.b`, `$['a b']`, `$.list[0]`, `$$.Execution.Id`.
 * @throws SyntaxError that names what is not supported (wildcards, slices, filters, descent, unknown context fields)
 */
export function parsePath(text: string): Path {
  const root = text.startsWith('$$') ? '$$' : '$';
  if (!text.startsWith('$')) throw new SyntaxError(`"${text}" is not a path: it must start with $`);
  const steps: (string | number)[] = [];
  STEP.lastIndex = root.length;
  while (STEP.lastIndex < text.length) {
    const from = STEP.lastIndex;
    const step = STEP.exec(text);
    if (step === null) throw new SyntaxError(`path "${text}": "${text.slice(from)}" is not supported`);
    steps.push(step[3] === undefined ? (step[1] ?? step[2] ?? '') : Number(step[3]));
  }
  if (root === '$$' && !inContext(steps)) throw new SyntaxError(`context field "${text}" is not supported`);
  return { root, steps };
}

function inContext(steps: readonly (string | number)[]): boolean {
  const name = steps.join('.');
  return CONTEXT_FIELDS.some((field) =>
    field.endsWith('*') ? `${name}.`.startsWith(`${field.slice(0, -1)}.`) : field === name,
  );
}

/** The value at a path, or undefined if there is none. */
export function find(text: string, source: Source): Json | undefined {
  const { root, steps } = parsePath(text);
  let value: Json | undefined = root === '$$' ? source.context : source.input;
  for (const step of steps) {
    if (Array.isArray(value)) value = typeof step === 'number' ? value[step] : undefined;
    else if (isObject(value) && Object.hasOwn(value, step)) value = (value as Record<string, Json>)[step];
    else return undefined;
  }
  return value;
}

/** The value at a path. @throws StatesError States.Runtime if there is none; `field` says who asked for it. */
export function read(text: string, source: Source, field: string): Json {
  const value = find(text, source);
  if (value !== undefined) return value;
  throw runtimeError(`The JSONPath '${text}' specified for the field '${field}' could not be found in the input.`);
}

/** A whole number of seconds at a path, at least `least`. @throws StatesError States.Runtime if there is none */
export function readSeconds(text: string, source: Source, field: string, least: number): number {
  const value = read(text, source, field);
  const valid = typeof value === 'number' && Number.isSafeInteger(value) && value >= least;
  if (valid && value <= limits.duration_s_max) return value;
  throw runtimeError(`The value of '${field}' is not a number of seconds.`);
}

/** InputPath and OutputPath: absent is everything, null is an empty object. */
export function select(path: string | null | undefined, source: Source, field: string): Json {
  if (path === null) return {};
  return path === undefined ? source.input : read(path, source, field);
}

/**
 * ResultPath: a copy of `target` with `value` put at the path, objects being made on the way; null leaves it as it is.
 * @throws StatesError States.ResultPathMatchFailure where the path leads through something that is no object
 */
export function place(target: Json, path: string | null | undefined, value: Json): Json {
  if (path === null) return target;
  return path === undefined ? value : placeAt(target, parsePath(path).steps, value, path);
}

function placeAt(target: Json | undefined, steps: readonly (string | number)[], value: Json, path: string): Json {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (target !== undefined && !isObject(target)) {
    throw new StatesError('States.ResultPathMatchFailure', `Unable to apply ResultPath '${path}' to the input.`);
  }
  const inner =
    target !== undefined && Object.hasOwn(target, step) ? (target as Record<string, Json>)[step] : undefined;
  return { ...target, [step]: placeAt(inner, rest, value, path) };
}
