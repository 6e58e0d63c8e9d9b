import * as z from 'zod';
import { ServiceError } from '../errors.ts';
import { limits } from './limits.ts';

/** The requests of Step Functions that are answered here, as @aws-sdk/client-sfn sends them. */

const arn = z.string().min(1).max(256);
const taskToken = z.string().min(1).max(limits.token_chars_max);
const error = z.string().max(256).optional();
const cause = z.string().max(32_768).optional();
const page = {
  maxResults: z.int().min(0).max(limits.page_items_max).optional(),
  nextToken: z.string().optional(),
};

export const requests = {
  StartExecution: z.object({ stateMachineArn: arn, name: z.string().optional(), input: z.string().default('{}') }),
  DescribeExecution: z.object({ executionArn: arn }),
  ListExecutions: z.object({
    stateMachineArn: arn,
    statusFilter: z.enum(['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED']).optional(),
    ...page,
  }),
  StopExecution: z.object({ executionArn: arn, error, cause }),
  GetExecutionHistory: z.object({
    executionArn: arn,
    reverseOrder: z.boolean().default(false),
    includeExecutionData: z.boolean().optional(),
    ...page,
  }),
  SendTaskSuccess: z.object({ taskToken, output: z.string() }),
  SendTaskFailure: z.object({ taskToken, error, cause }),
  SendTaskHeartbeat: z.object({ taskToken }),
  DescribeStateMachine: z.object({ stateMachineArn: arn }),
};
export type Target = keyof typeof requests;
export type Request<T extends Target> = z.output<(typeof requests)[T]>;

/** @throws ServiceError ValidationException that names the member at fault */
export function parseRequest<T extends Target>(target: T, body: unknown): Request<T> {
  const parsed = requests[target].safeParse(body);
  if (parsed.success) return parsed.data as Request<T>;
  const issues = parsed.error.issues.map(({ path, message }) => `Value at '${path.join('.')}': ${message}`);
  throw new ServiceError('ValidationException', `${issues.length} validation error detected: ${issues.join('; ')}`);
}

/** One page of a list, and the token of the next. @throws ServiceError InvalidToken */
export function paginate<T>(
  items: readonly T[],
  { maxResults, nextToken }: { maxResults?: number | undefined; nextToken?: string | undefined },
): { items: T[]; nextToken?: string } {
  if (nextToken !== undefined && !/^\d+$/.test(nextToken)) throw new ServiceError('InvalidToken', 'Invalid token');
  const from = Number(nextToken ?? 0);
  const to = from + (maxResults || limits.page_items_default);
  return { items: items.slice(from, to), ...(to < items.length ? { nextToken: String(to) } : {}) };
}
