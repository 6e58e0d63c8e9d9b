import type * as z from 'zod';
import { LayerMoverError } from '../../core/errors.ts';

const ISSUES_TOLD_MAX = 8;

export function bodyInvalid(message: string, data?: Readonly<Record<string, unknown>>, cause?: unknown) {
  return new LayerMoverError('BODY_INVALID', message, { data, cause });
}

/** What a schema of the contract makes of a value. Throws BODY_INVALID that tells what is wrong, and where. */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, ISSUES_TOLD_MAX).map(({ path, message }) => ({
    at: path.join('.'),
    message,
  }));
  const first = issues[0]!;
  throw bodyInvalid(`the ${what} is not valid: ${first.at ? `${first.at}: ` : ''}${first.message}`, { issues });
}
