import * as z from 'zod';

/** What a leaf of an event may be. */
const matcher = z.union([z.string(), z.number(), z.boolean(), z.null(), z.strictObject({ prefix: z.string() })]);
type Matcher = z.infer<typeof matcher>;

/** A pattern as far as rules here use it: lists of values and prefixes, in objects as deep as the event's. */
export interface Pattern {
  readonly [field: string]: readonly Matcher[] | Pattern;
}

export const pattern: z.ZodType<Pattern> = z.lazy(() =>
  z.record(z.string(), z.union([z.array(matcher).min(1), pattern])),
);

/**
 * True if every field of the pattern is in the event with one of the values that it lists.
 * Source: "Amazon EventBridge event patterns", EventBridge's guide.
 */
export function matches(wanted: Pattern, event: unknown): boolean {
  if (typeof event !== 'object' || event === null) return false;
  return Object.entries(wanted).every(([field, expected]) => {
    const found = (event as Record<string, unknown>)[field];
    if (!Array.isArray(expected)) return matches(expected as Pattern, found);
    const values: readonly unknown[] = Array.isArray(found) ? found : [found];
    return expected.some((one: Matcher) => values.some((value) => isMatch(one, value)));
  });
}

function isMatch(wanted: Matcher, value: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return wanted === value;
  return typeof value === 'string' && value.startsWith(wanted.prefix);
}
