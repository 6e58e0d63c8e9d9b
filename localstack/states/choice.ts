import { runtimeError } from './errors.ts';
import type { Json } from './json.ts';
import { isObject } from './json.ts';
import type { Source } from './paths.ts';
import { find, read } from './paths.ts';
import { pathProblems } from './template.ts';

/** A condition of a Choice state: And, Or, Not, or one operator that compares Variable with its operand. */
export interface Rule {
  Variable?: string;
  And?: Rule[];
  Or?: Rule[];
  Not?: Rule;
  IsPresent?: boolean;
  [operator: string]: unknown;
}

interface Operator {
  /** What the operand in the definition must be. */
  operand: 'string' | 'number' | 'boolean' | 'path';
  holds(value: Json, operand: Json): boolean;
}

type Scalar = string | number | boolean;

const COMPARISONS: Record<string, (left: Scalar, right: Scalar) => boolean> = {
  Equals: (left, right) => left === right,
  LessThan: (left, right) => left < right,
  LessThanEquals: (left, right) => left <= right,
  GreaterThan: (left, right) => left > right,
  GreaterThanEquals: (left, right) => left >= right,
};

const OPERATORS: Record<string, Operator> = {
  ...comparing('String', 'string', Object.keys(COMPARISONS)),
  ...comparing('Numeric', 'number', Object.keys(COMPARISONS)),
  ...comparing('Boolean', 'boolean', ['Equals']),
  ...testing('IsNull', (value) => value === null),
  ...testing('IsString', (value) => typeof value === 'string'),
  ...testing('IsNumeric', (value) => typeof value === 'number'),
  ...testing('IsBoolean', (value) => typeof value === 'boolean'),
};

/** Values of another type than the operator's never match, as AWS has it. */
function comparing(kind: string, type: 'string' | 'number' | 'boolean', names: string[]): Record<string, Operator> {
  return Object.fromEntries(
    names.flatMap((name): [string, Operator][] => {
      const compare = COMPARISONS[name]!;
      const holds = (value: Json, operand: Json) =>
        typeof value === type && typeof operand === type && compare(value as Scalar, operand as Scalar);
      return [
        [`${kind}${name}`, { operand: type, holds }],
        [`${kind}${name}Path`, { operand: 'path', holds }],
      ];
    }),
  );
}

function testing(name: string, test: (value: Json) => boolean): Record<string, Operator> {
  return { [name]: { operand: 'boolean', holds: (value, operand) => test(value) === operand } };
}

/** Whether a rule holds. @throws StatesError States.Runtime when its Variable is not there, except for IsPresent */
export function holds(rule: Rule, source: Source): boolean {
  if (rule.And !== undefined) return rule.And.every((inner) => holds(inner, source));
  if (rule.Or !== undefined) return rule.Or.some((inner) => holds(inner, source));
  if (rule.Not !== undefined) return !holds(rule.Not, source);
  const value = find(rule.Variable!, source);
  if (rule.IsPresent !== undefined) return (value !== undefined) === rule.IsPresent;
  if (value === undefined) {
    throw runtimeError(
      `Invalid path '${rule.Variable}': the choice state's condition path references an invalid value.`,
    );
  }
  const [name, operator] = Object.entries(OPERATORS).find(([key]) => Object.hasOwn(rule, key))!;
  const operand = rule[name] as Json;
  return operator.holds(value, operator.operand === 'path' ? read(operand as string, source, name) : operand);
}

/** Everything in a rule that is not supported, in words; `inner` rules have no Next. */
export function ruleProblems(rule: unknown, inner = false): string[] {
  if (!isObject(rule)) return ['a rule must be an object'];
  const { Next, Comment: _comment, ...condition } = rule;
  const nextProblems =
    inner === (Next === undefined) ? [] : [inner ? 'an inner rule has no "Next"' : 'the rule has no "Next"'];
  return [...nextProblems, ...conditionProblems(condition)];
}

function conditionProblems({ Variable, ...operators }: Record<string, unknown>): string[] {
  const [name, ...others] = Object.keys(operators);
  if (name === undefined) return ['the rule has no operator'];
  if (others.length > 0) return [`the rule has more than one operator: ${name}, ${others.join(', ')}`];
  const operand = operators[name];
  if (name === 'Not') return ruleProblems(operand, true);
  if (name === 'And' || name === 'Or') {
    if (!Array.isArray(operand) || operand.length === 0) return [`"${name}" must be a list of rules`];
    return operand.flatMap((rule) => ruleProblems(rule, true));
  }
  const variableProblems = typeof Variable === 'string' ? pathProblems(Variable) : ['the rule has no "Variable"'];
  return [...variableProblems, ...operandProblems(name, operand)];
}

function operandProblems(name: string, operand: unknown): string[] {
  const expected = name === 'IsPresent' ? 'boolean' : OPERATORS[name]?.operand;
  if (expected === undefined) return [`choice operator "${name}" is not supported`];
  if (expected === 'path') return typeof operand === 'string' ? pathProblems(operand) : [`"${name}" must be a path`];
  return typeof operand === expected ? [] : [`"${name}" must be a ${expected}`];
}
