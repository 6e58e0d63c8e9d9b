import { evaluateIntrinsic, isIntrinsic, parseIntrinsic } from './intrinsics.ts';
import type { Json } from './json.ts';
import { isObject } from './json.ts';
import type { Source } from './paths.ts';
import { parsePath, read } from './paths.ts';

/** A payload template: JSON in which a key ending in `.$` has a path or an intrinsic function for its value. */
export type Template = Json;

/** Fills a template (Parameters, ResultSelector, ItemSelector) from the data and the context object. */
export function fill(template: Template, source: Source): Json {
  if (Array.isArray(template)) return template.map((item) => fill(item, source));
  if (!isObject(template)) return template;
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) =>
      key.endsWith('.$') ? [key.slice(0, -2), compute(value as string, source, key)] : [key, fill(value, source)],
    ),
  );
}

/** The value of an expression: a path or an intrinsic function. */
export function compute(expression: string, source: Source, field: string): Json {
  return isIntrinsic(expression) ? evaluateIntrinsic(expression, source, field) : read(expression, source, field);
}

/** Everything in a template that is not supported, in words. */
export function templateProblems(template: unknown): string[] {
  if (Array.isArray(template)) return template.flatMap(templateProblems);
  if (!isObject(template)) return [];
  return Object.entries(template).flatMap(([key, value]) => {
    if (!key.endsWith('.$')) return templateProblems(value);
    if (typeof value !== 'string') return [`"${key}" must be a path or an intrinsic function`];
    return expressionProblems(value).map((problem) => `"${key}": ${problem}`);
  });
}

export function expressionProblems(text: string): string[] {
  return problemsOf(() => (isIntrinsic(text) ? parseIntrinsic(text) : parsePath(text)));
}

export function pathProblems(text: string): string[] {
  return problemsOf(() => parsePath(text));
}

function problemsOf(parse: () => unknown): string[] {
  try {
    parse();
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}
