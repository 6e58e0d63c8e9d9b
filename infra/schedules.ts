import { Schedule } from 'aws-cdk-lib/aws-events';
import * as z from 'zod';
import { hostEvacuate, migrationRequested } from '../core/api/events.ts';
import { limits } from '../core/limits.ts';

/**
 * A migration, or the evacuation of a host, that is asked for again and again: each time is a request of its own, so that it has no
 * request id here.
 */
export type ScheduledRequest = { readonly schedule: Schedule } & (
  | { readonly migrate: Omit<z.input<typeof migrationRequested>, 'request_id'> }
  | { readonly evacuate: Omit<z.input<typeof hostEvacuate>, 'request_id'> }
);

/** As EventBridge's rules take it; what the fields may be, EventBridge says itself. */
const expression = z
  .string()
  .regex(/^(rate\(\d+ [a-z]+\)|cron\([^\s)]+( [^\s)]+){5}\))$/, 'rate(7 days) or cron(0 3 * * ? *), in UTC');

const scheduled = z
  .strictObject({
    schedule: expression,
    migrate: z.strictObject(migrationRequested.omit({ request_id: true }).shape).optional(),
    evacuate: z.strictObject(hostEvacuate.omit({ request_id: true }).shape).optional(),
  })
  .refine(({ migrate, evacuate }) => (migrate === undefined) !== (evacuate === undefined), 'either migrate or evacuate')
  .transform(({ schedule: text, migrate, evacuate }): ScheduledRequest => {
    const schedule = Schedule.expression(text);
    return migrate === undefined ? { schedule, evacuate: evacuate! } : { schedule, migrate };
  });

/** A list in cdk.json, or its JSON on the command line, where every value is text. */
export const schedules = z.preprocess(parseText, z.array(scheduled).max(limits.schedules_max));

function parseText(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  try {
    return JSON.parse(given);
  } catch {
    return given;
  }
}
