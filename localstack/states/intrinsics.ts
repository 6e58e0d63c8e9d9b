import { StatesError } from './errors.ts';
import type { Json } from './json.ts';
import type { Source } from './paths.ts';
import { parsePath, read } from './paths.ts';

type Expression = { value: Json } | { text: string } | { path: string } | { call: string; args: Expression[] };

/** The intrinsic functions that exist here. Each throws a plain Error when its arguments do not fit. */
const FUNCTIONS: Record<string, (...args: Json[]) => Json> = {
  'States.Format': (template, ...values) => format(expectString(template), values),
  'States.Array': (...items) => items,
  'States.ArrayLength': (array) => {
    if (!Array.isArray(array)) throw new Error('the argument is not an array');
    return array.length;
  },
  'States.StringToJson': (text) => JSON.parse(expectString(text)) as Json,
  'States.JsonToString': (value) => JSON.stringify(value ?? null),
  'States.MathAdd': (left, right) => expectInteger(left) + expectInteger(right),
};

export function isIntrinsic(text: string): boolean {
  return text.startsWith('States.');
}

/** Reads a call such as `States.Format('{}/{}', $.a, $$.Execution.Name)`. @throws SyntaxError naming what is not supported */
export function parseIntrinsic(text: string): Expression {
  const reader = { text, at: 0 };
  const expression = parseExpression(reader);
  skipSpace(reader);
  if (reader.at < text.length) throw new SyntaxError(`"${text}": unexpected "${text.slice(reader.at)}"`);
  return expression;
}

/** The value of a call. @throws StatesError States.IntrinsicFailure, or States.Runtime for a path that leads nowhere */
export function evaluateIntrinsic(text: string, source: Source, field: string): Json {
  return evaluate(parseIntrinsic(text), source, field);
}

function evaluate(expression: Expression, source: Source, field: string): Json {
  if ('value' in expression) return expression.value;
  if ('text' in expression) return expression.text.replaceAll(/\\(.)/g, '$1');
  if ('path' in expression) return read(expression.path, source, field);
  const args = expression.args.map((arg, index) => {
    // Format reads the escapes of its template itself: `\{` is no placeholder.
    const isTemplate = expression.call === 'States.Format' && index === 0 && 'text' in arg;
    return isTemplate ? arg.text : evaluate(arg, source, field);
  });
  try {
    return FUNCTIONS[expression.call]!(...args);
  } catch (error) {
    throw new StatesError('States.IntrinsicFailure', `${expression.call} in '${field}': ${(error as Error).message}`);
  }
}

interface Reader {
  text: string;
  at: number;
}

const STRING = /'((?:[^'\\]|\\['{}\\])*)'/y;
const LITERAL = /-?\d+(?:\.\d+)?|true|false|null/y;
const PATH = /\$\$?(?:\.[A-Za-z_][\w-]*|\['[^'\\]*'\]|\[\d+\])*/y;
const CALL = /(States\.\w+)\s*\(/y;

function parseExpression(reader: Reader): Expression {
  skipSpace(reader);
  const string = take(reader, STRING);
  if (string !== null) return { text: string[1]! };
  const literal = take(reader, LITERAL);
  if (literal !== null) return { value: JSON.parse(literal[0]) as Json };
  const path = take(reader, PATH);
  if (path !== null) {
    parsePath(path[0]);
    return { path: path[0] };
  }
  const call = take(reader, CALL);
  if (call === null) throw new SyntaxError(`"${reader.text}": "${reader.text.slice(reader.at)}" is not supported`);
  const name = call[1]!;
  if (!Object.hasOwn(FUNCTIONS, name)) throw new SyntaxError(`intrinsic function "${name}" is not supported`);
  return { call: name, args: parseArguments(reader) };
}

function parseArguments(reader: Reader): Expression[] {
  const args: Expression[] = [];
  skipSpace(reader);
  if (take(reader, /\)/y) !== null) return args;
  for (;;) {
    args.push(parseExpression(reader));
    skipSpace(reader);
    if (take(reader, /\)/y) !== null) return args;
    if (take(reader, /,/y) === null) throw new SyntaxError(`"${reader.text}": a comma or ")" is missing`);
  }
}

function take(reader: Reader, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = reader.at;
  const match = pattern.exec(reader.text);
  if (match !== null) reader.at = pattern.lastIndex;
  return match;
}

function skipSpace(reader: Reader): void {
  take(reader, /\s*/y);
}

function format(template: string, values: Json[]): string {
  const placeholders = template.replaceAll(/\\./g, '').split('{}').length - 1;
  if (placeholders !== values.length) throw new Error(`${placeholders} placeholders for ${values.length} values`);
  let next = 0;
  return template.replaceAll(/\\(.)|\{\}/g, (_match, escaped: string | undefined) => {
    if (escaped !== undefined) return escaped;
    const value = values[next++]!;
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
}

function expectString(value: Json | undefined): string {
  if (typeof value !== 'string') throw new Error('the argument is not a string');
  return value;
}

function expectInteger(value: Json | undefined): number {
  if (!Number.isSafeInteger(value)) throw new Error('the argument is not an integer');
  return value as number;
}
