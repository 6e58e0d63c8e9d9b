import * as z from 'zod';
import { matchesPattern } from './wildcard.ts';

const CONDITION_KEYS = ['s3:prefix', 's3:if-none-match', 'aws:securetransport'] as const;

/** A condition key of a request, in lower case, as IAM compares them. */
export type ConditionKey = (typeof CONDITION_KEYS)[number];
export type RequestContext = Readonly<Partial<Record<ConditionKey, string>>>;

/** What a request wants to do: `s3:GetObject` on `arn:aws:s3:::bucket/key` under the given context. */
export interface AccessRequest {
  readonly action: string;
  readonly resource: string;
  readonly context?: RequestContext;
}

/** A policy that can't be enforced here. Its message names the element that is not understood. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/** IAM writes a list of one as that one. */
const listOf = <T extends z.ZodType>(item: T) =>
  z.preprocess((given) => (Array.isArray(given) ? given : [given]), z.array(item).min(1));
const pattern = z.string().refine((text) => !text.includes('${'), 'policy variables are not supported');
const conditionValue = z.union([z.string(), z.boolean().transform(String)]);
const conditionKey = z.string().toLowerCase().pipe(z.enum(CONDITION_KEYS));
const comparison = z.record(conditionKey, listOf(conditionValue));

const statementSchema = z.strictObject({
  Sid: z.string().optional(),
  Effect: z.enum(['Allow', 'Deny']),
  Action: listOf(pattern),
  Resource: listOf(pattern),
  Condition: z
    .strictObject({
      StringEquals: comparison.optional(),
      StringLike: comparison.optional(),
      Null: comparison.optional(),
      Bool: comparison.optional(),
    })
    .optional(),
});

const policySchema = z.strictObject({
  Version: z.literal('2012-10-17').optional(),
  Id: z.string().optional(),
  Statement: listOf(statementSchema),
});

/** A session policy whose every element is enforced. Made by `parsePolicy` alone. */
export type PolicyDocument = z.output<typeof policySchema>;
type Statement = PolicyDocument['Statement'][number];
type Conditions = NonNullable<Statement['Condition']>;
type Operator = keyof Conditions;

/** Takes a policy as an object or as JSON text. Throws PolicyError naming what is malformed or not supported. */
export function parsePolicy(source: unknown): PolicyDocument {
  const parsed = policySchema.safeParse(typeof source === 'string' ? parseJson(source) : source);
  if (parsed.success) return parsed.data;
  throw new PolicyError(z.prettifyError(parsed.error));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PolicyError('the policy is not valid JSON', { cause });
  }
}

/** IAM's rule: a Deny that matches refuses, else an Allow that matches permits, else refused. No policy permits all. */
export function isAllowed(policy: PolicyDocument | undefined, request: AccessRequest): boolean {
  if (policy === undefined) return true;
  const effects = policy.Statement.filter((statement) => applies(statement, request)).map(({ Effect }) => Effect);
  return effects.includes('Allow') && !effects.includes('Deny');
}

function applies(statement: Statement, request: AccessRequest): boolean {
  const action = request.action.toLowerCase();
  return (
    statement.Action.some((wanted) => matchesPattern(wanted.toLowerCase(), action)) &&
    statement.Resource.some((wanted) => matchesPattern(wanted, request.resource)) &&
    conditionsHold(statement.Condition ?? {}, request.context ?? {})
  );
}

const OPERATORS: Record<Operator, (value: string | undefined, wanted: string) => boolean> = {
  StringEquals: (value, wanted) => value === wanted,
  StringLike: (value, wanted) => value !== undefined && matchesPattern(wanted, value),
  Null: (value, wanted) => String(value === undefined) === wanted.toLowerCase(),
  Bool: (value, wanted) => value?.toLowerCase() === wanted.toLowerCase(),
};

/** All comparisons must hold; of one comparison's values, any. */
function conditionsHold(conditions: Conditions, context: RequestContext): boolean {
  return (Object.keys(OPERATORS) as Operator[]).every((operator) =>
    Object.entries(conditions[operator] ?? {}).every(([key, values]) =>
      values.some((wanted) => OPERATORS[operator](context[key as ConditionKey], wanted)),
    ),
  );
}
