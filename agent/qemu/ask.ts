import type * as z from 'zod';
import { refused } from './failure.ts';
import type { ExecuteOptions, Qmp } from './qmp.ts';

/** Asks QEMU and takes its answer only in the form that it must have. Errors: QMP_REFUSED and those of Qmp.execute. */
export async function ask<T>(
  qmp: Pick<Qmp, 'execute'>,
  schema: z.ZodType<T>,
  command: string,
  args: Readonly<Record<string, unknown>> = {},
  options: ExecuteOptions = {},
): Promise<T> {
  const answer = schema.safeParse(await qmp.execute(command, args, options));
  if (answer.success) return answer.data;
  throw refused(`its answer to ${command} is not as QEMU’s`, answer.error);
}
