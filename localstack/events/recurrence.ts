import * as z from 'zod';
import { nextTime, parseCron } from './cron.ts';

/** When a rule comes again. */
export interface Recurrence {
  readonly expression: string;
  /** The first time after `nowMs`, `lastMs` having been one; undefined if there is none any more. Milliseconds since 1970. */
  next(lastMs: number, nowMs: number): number | undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 24 * 3_600_000 };

/**
 * Reads `rate(7 days)` or `cron(0 3 * * ? *)`; the latter is in UTC.
 * Source: "Creating a scheduled rule (legacy)", EventBridge's guide.
 */
export function parseRecurrence(expression: string, context: z.core.$RefinementCtx): Recurrence {
  const next = rate(expression) ?? cron(expression);
  if (next !== undefined) return { expression, next };
  context.addIssue({ code: 'custom', message: `${expression}: no rate, and no cron expression that is emulated` });
  return z.NEVER;
}

function rate(expression: string): Recurrence['next'] | undefined {
  const [, count, unit, plural] = /^rate\(([1-9]\d{0,5}) (minute|hour|day)(s?)\)$/.exec(expression) ?? [];
  if (count === undefined || unit === undefined || (count === '1') !== (plural === '')) return undefined;
  const everyMs = Number(count) * UNIT_MS[unit]!;
  return (lastMs, nowMs) => lastMs + (Math.floor(Math.max(0, nowMs - lastMs) / everyMs) + 1) * everyMs;
}

function cron(expression: string): Recurrence['next'] | undefined {
  const parsed = parseCron(/^cron\((.*)\)$/.exec(expression)?.[1] ?? '');
  return parsed && ((_lastMs, nowMs) => nextTime(parsed, nowMs));
}
