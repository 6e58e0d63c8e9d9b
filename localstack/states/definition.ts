import * as z from 'zod';
import type { Rule } from './choice.ts';
import { ruleProblems } from './choice.ts';
import { connectorFor } from './connectors.ts';
import type { Json } from './json.ts';
import { limits } from './limits.ts';
import { parsePath } from './paths.ts';
import { expressionProblems, pathProblems, templateProblems } from './template.ts';

/** The part of the Amazon States Language (JSONPath dialect) that is interpreted here: all else is refused by its name. */

/** A schema refined by a function that lists in words what it does not like. */
function checked<T extends z.ZodType>(schema: T, problemsOf: (value: z.output<T>) => string[]): T {
  return schema.superRefine((value, context) => {
    for (const message of problemsOf(value)) context.addIssue({ code: 'custom', message });
  });
}

const seconds = z.int().min(1).max(limits.duration_s_max);
const path = checked(z.string(), pathProblems);
const selection = path.nullable().optional();
const resultPath = checked(z.string(), resultPathProblems).nullable().optional();
const template = checked(z.json() as z.ZodType<Json>, templateProblems).optional();
const errorNames = checked(z.array(z.string()).min(1), errorNameProblems);

/** Of the reserved names, those that a retrier or catcher may name: the others cannot happen here or cannot be caught. */
const RESERVED_ERRORS = [
  'States.ALL',
  'States.TaskFailed',
  'States.Timeout',
  'States.HeartbeatTimeout',
  'States.DataLimitExceeded',
  'States.IntrinsicFailure',
  'States.NoChoiceMatched',
  'States.ResultPathMatchFailure',
];

function errorNameProblems(names: string[]): string[] {
  const unknown = names.filter((name) => name.startsWith('States.') && !RESERVED_ERRORS.includes(name));
  const alone = names.includes('States.ALL') && names.length > 1 ? ['States.ALL must stand alone'] : [];
  return [...alone, ...unknown.map((name) => `error name "${name}" is not supported`)];
}

function resultPathProblems(text: string): string[] {
  const problems = pathProblems(text);
  if (problems.length > 0) return problems;
  const { root, steps } = parsePath(text);
  const plain = root === '$' && steps.every((step) => typeof step === 'string');
  return plain ? [] : [`ResultPath "${text}" must be made of field names only`];
}

const Retrier = z.strictObject({
  Comment: z.string().optional(),
  ErrorEquals: errorNames,
  IntervalSeconds: seconds.optional(),
  MaxAttempts: z.int().min(0).max(limits.duration_s_max).optional(),
  BackoffRate: z.number().min(1).optional(),
  MaxDelaySeconds: z.int().min(1).max(limits.retry_delay_s_max).optional(),
  JitterStrategy: z.enum(['FULL', 'NONE']).optional(),
});
export type Retrier = z.infer<typeof Retrier>;

const Catcher = z.strictObject({
  Comment: z.string().optional(),
  ErrorEquals: errorNames,
  Next: z.string(),
  ResultPath: resultPath,
});

const common = { Comment: z.string().optional(), QueryLanguage: z.literal('JSONPath').optional() };
const selections = { InputPath: selection, OutputPath: selection };
const transition = { Next: z.string().optional(), End: z.literal(true).optional() };
const guards = { Retry: z.array(Retrier).optional(), Catch: z.array(Catcher).optional() };
const working = {
  ...common,
  ...selections,
  ...transition,
  ...guards,
  ResultPath: resultPath,
  ResultSelector: template,
};

const Task = z.strictObject({
  Type: z.literal('Task'),
  ...working,
  Resource: checked(z.string(), (text) =>
    connectorFor(text) === undefined ? [`resource "${text}" is not supported`] : [],
  ),
  Parameters: template,
  TimeoutSeconds: seconds.optional(),
  TimeoutSecondsPath: path.optional(),
  HeartbeatSeconds: seconds.optional(),
  HeartbeatSecondsPath: path.optional(),
});
export type TaskState = z.infer<typeof Task>;

const Pass = z.strictObject({
  Type: z.literal('Pass'),
  ...common,
  ...selections,
  ...transition,
  ResultPath: resultPath,
  Parameters: template,
  Result: z.json().optional() as z.ZodType<Json | undefined>,
});
export type PassState = z.infer<typeof Pass>;

const Choice = z.strictObject({
  Type: z.literal('Choice'),
  ...common,
  ...selections,
  Choices: z.array(checked(z.custom<Rule & { Next: string }>(), (rule) => ruleProblems(rule))).min(1),
  Default: z.string().optional(),
});
export type ChoiceState = z.infer<typeof Choice>;

const Wait = z.strictObject({
  Type: z.literal('Wait'),
  ...common,
  ...selections,
  ...transition,
  Seconds: z.int().min(0).max(limits.duration_s_max).optional(),
  SecondsPath: path.optional(),
});
export type WaitState = z.infer<typeof Wait>;

const Succeed = z.strictObject({ Type: z.literal('Succeed'), ...common, ...selections });
export type SucceedState = z.infer<typeof Succeed>;

const expression = checked(z.string(), expressionProblems);
const Fail = z.strictObject({
  Type: z.literal('Fail'),
  ...common,
  Error: z.string().optional(),
  ErrorPath: expression.optional(),
  Cause: z.string().optional(),
  CausePath: expression.optional(),
});
export type FailState = z.infer<typeof Fail>;

/** States that run from StartAt to an end: a machine, a branch of a Parallel, the processor of a Map. */
export interface Branch {
  StartAt: string;
  States: Record<string, State>;
}

const branchFields = {
  Comment: z.string().optional(),
  StartAt: z.string(),
  States: z.record(
    z.string().min(1).max(limits.name_chars_max),
    z.lazy((): z.ZodType<State> => State),
  ),
};

const parallelFields = { ...working, Parameters: template };
const ParallelFields = z.object(parallelFields);
const Parallel = z.strictObject({
  Type: z.literal('Parallel'),
  ...parallelFields,
  Branches: z.array(z.strictObject(branchFields)).min(1),
});
export interface ParallelState extends z.infer<typeof ParallelFields> {
  Type: 'Parallel';
  Branches: Branch[];
}

const mapFields = {
  ...parallelFields,
  ItemsPath: path.optional(),
  ItemSelector: template,
  MaxConcurrency: z.int().min(0).optional(),
};
const MapFields = z.object(mapFields);
const MapOver = z.strictObject({
  Type: z.literal('Map'),
  ...mapFields,
  ItemProcessor: z.strictObject({
    ...branchFields,
    ProcessorConfig: z.strictObject({ Mode: z.literal('INLINE') }).optional(),
  }),
});
export interface MapState extends z.infer<typeof MapFields> {
  Type: 'Map';
  ItemProcessor: Branch;
}

const State = z.discriminatedUnion('Type', [Task, Pass, Choice, Wait, Succeed, Fail, Parallel, MapOver]);
export type State =
  | TaskState
  | PassState
  | ChoiceState
  | WaitState
  | SucceedState
  | FailState
  | ParallelState
  | MapState;

export const Machine = z.strictObject({
  ...branchFields,
  Version: z.literal('1.0').optional(),
  QueryLanguage: z.literal('JSONPath').optional(),
  TimeoutSeconds: seconds.optional(),
});
export type Machine = z.infer<typeof Machine>;
