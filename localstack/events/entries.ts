import * as z from 'zod';
import { limits } from './limits.ts';

/** One entry of PutEvents as @aws-sdk/client-eventbridge sends it. */
export const Entry = z.object({
  /** Seconds since 1970. */
  Time: z.number().optional(),
  Source: z.string().optional(),
  DetailType: z.string().optional(),
  /** A JSON object as text. */
  Detail: z.string().optional(),
  EventBusName: z.string().optional(),
  Resources: z.array(z.string()).optional(),
  TraceHeader: z.string().optional(),
});
export type Entry = z.infer<typeof Entry>;

export interface Refusal {
  ErrorCode: string;
  ErrorMessage: string;
}

/** Why an entry is refused, in EventBridge's words; undefined if it is not. */
export function refusal(entry: Entry): Refusal | undefined {
  for (const name of ['Source', 'DetailType', 'Detail'] as const) {
    if (!entry[name]) return invalid(name, `${name} is a required argument.`);
  }
  if (entry.DetailType!.length > limits.detail_type_chars_max) {
    return invalid('DetailType', `DetailType must be at most ${limits.detail_type_chars_max} characters.`);
  }
  if (entry.Source!.startsWith('aws.')) {
    return {
      ErrorCode: 'NotAuthorizedForSourceException',
      ErrorMessage: `Not authorized for the source ${entry.Source}.`,
    };
  }
  return parseDetail(entry.Detail!) === undefined
    ? { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' }
    : undefined;
}

function invalid(name: string, reason: string): Refusal {
  return { ErrorCode: 'InvalidArgument', ErrorMessage: `Parameter ${name} is not valid. Reason: ${reason}` };
}

/** A Detail's object, or undefined if the text is none. */
export function parseDetail(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes of an entry as EventBridge counts them: 14 for a time, and the UTF-8 of its texts. */
export function entryBytes({ Time, Source = '', DetailType = '', Detail = '', Resources = [] }: Entry): number {
  const texts = [Source, DetailType, Detail, ...Resources].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return texts + (Time === undefined ? 0 : 14);
}
