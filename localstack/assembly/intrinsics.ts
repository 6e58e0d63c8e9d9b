import { CloudError } from '../errors.ts';

/** What a template expression may refer to. */
export interface Scope {
  /** The value of `Ref`: a resource's physical id, a parameter's value or a pseudo parameter. */
  ref(name: string): unknown;
  attribute(logicalId: string, name: string): unknown;
  /** The unresolved expression of a named condition. */
  condition(name: string): unknown;
}

/** Marks a property that `AWS::NoValue` removes. */
export const NO_VALUE = Symbol('AWS::NoValue');

/**
 * A template value with every intrinsic function replaced by what it stands for.
 * Functions as in the CloudFormation reference; those we do not emulate are refused by name.
 * @throws CloudError INTRINSIC_UNSUPPORTED, INTRINSIC_INVALID
 */
export function resolveValue(value: unknown, scope: Scope): unknown {
  if (Array.isArray(value)) return value.map((item) => resolveValue(item, scope)).filter((item) => item !== NO_VALUE);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [name, argument] = entries[0] ?? [];
  if (entries.length === 1 && name !== undefined && isIntrinsic(name)) return call(name, argument, scope);
  const resolved = entries.map(([key, item]) => [key, resolveValue(item, scope)] as const);
  return Object.fromEntries(resolved.filter(([, item]) => item !== NO_VALUE));
}

/** Whether a named condition of the template holds. */
export function conditionHolds(name: string, scope: Scope): boolean {
  return resolveValue(scope.condition(name), scope) === true;
}

const isIntrinsic = (name: string): boolean => name === 'Ref' || name === 'Condition' || name.startsWith('Fn::');

type Intrinsic = (argument: unknown, scope: Scope) => unknown;

const intrinsics: Readonly<Record<string, Intrinsic>> = {
  Ref: (name, scope) => scope.ref(text(name)),
  Condition: (name, scope) => conditionHolds(text(name), scope),
  'Fn::GetAtt': (argument, scope) => {
    const [logicalId, ...attribute] = Array.isArray(argument) ? argument : text(argument).split('.');
    return scope.attribute(text(logicalId), attribute.map(text).join('.'));
  },
  'Fn::Join': (argument, scope) => {
    const [separator, parts] = list(argument);
    return list(resolveValue(parts, scope)).map(text).join(text(separator));
  },
  'Fn::Split': (argument, scope) => {
    const [separator, whole] = list(argument);
    return text(resolveValue(whole, scope)).split(text(separator));
  },
  'Fn::Select': (argument, scope) => {
    const [index, items] = list(resolveValue(argument, scope));
    const item = list(items)[Number(index)];
    if (item === undefined) throw invalid(`Fn::Select has no item ${String(index)}`);
    return item;
  },
  'Fn::Sub': (argument, scope) => {
    const [pattern, variables] = Array.isArray(argument) ? argument : [argument, {}];
    return substitute(text(pattern), resolveValue(variables, scope) as Record<string, unknown>, scope);
  },
  'Fn::If': (argument, scope) => {
    const [condition, whenTrue, whenFalse] = list(argument);
    return resolveValue(conditionHolds(text(condition), scope) ? whenTrue : whenFalse, scope);
  },
  'Fn::Equals': (argument, scope) => {
    const [left, right] = list(resolveValue(argument, scope));
    return left === right;
  },
  'Fn::Not': (argument, scope) => list(resolveValue(argument, scope))[0] !== true,
  'Fn::And': (argument, scope) => list(resolveValue(argument, scope)).every((item) => item === true),
  'Fn::Or': (argument, scope) => list(resolveValue(argument, scope)).some((item) => item === true),
};

function call(name: string, argument: unknown, scope: Scope): unknown {
  const intrinsic = intrinsics[name];
  if (intrinsic !== undefined) return intrinsic(argument, scope);
  const hint = `The embedded cloud resolves ${Object.keys(intrinsics).join(', ')}.`;
  throw new CloudError('INTRINSIC_UNSUPPORTED', `${name} is not emulated`, hint);
}

/** `${Name}`, `${Resource.Attribute}` and `${!Literal}`, as Fn::Sub has them. */
function substitute(pattern: string, variables: Record<string, unknown>, scope: Scope): string {
  return pattern.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
    if (name.startsWith('!')) return `\${${name.slice(1)}}`;
    if (Object.hasOwn(variables, name)) return text(variables[name]);
    const dot = name.indexOf('.');
    return text(dot < 0 ? scope.ref(name) : scope.attribute(name.slice(0, dot), name.slice(dot + 1)));
  });
}

function text(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw invalid(`expected text, found ${JSON.stringify(value)}`);
}

function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(`expected a list, found ${JSON.stringify(value)}`);
}

function invalid(message: string): CloudError {
  return new CloudError('INTRINSIC_INVALID', message, 'Look at the template in the assembly directory.');
}
