import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { parseRecurrence, type Recurrence } from '../../localstack/events/recurrence.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function parsed(expression: string): Recurrence | undefined {
  return z.string().transform(parseRecurrence).safeParse(expression).data;
}

describe('a rate', () => {
  test.each([
    ['rate(7 days)', 7 * DAY_MS],
    ['rate(1 day)', DAY_MS],
    ['rate(5 minutes)', 300_000],
    ['rate(2 hours)', 2 * HOUR_MS],
  ])('%s comes %i ms after it came, late or not', (expression, everyMs) => {
    const { next } = parsed(expression)!;
    expect([next(1000, 1000), next(1000, 1500), next(1000, 1000 + everyMs)]).toEqual([
      1000 + everyMs,
      1000 + everyMs,
      1000 + 2 * everyMs,
    ]);
    expect(next(1000, 1000 + 10.5 * everyMs), 'nothing is made up for').toBe(1000 + 11 * everyMs);
  });

  test.each([
    'rate(0 days)',
    'rate(1 week)',
    'rate(1 days)',
    'rate(2 hour)',
    'rate(1.5 hours)',
    'rate(1 minute) ',
    'at(2030-01-01T00:00:00)',
  ])('%s is none', (expression) => expect(parsed(expression)).toBeUndefined());
});

describe('a cron expression', () => {
  /** The first three times after a moment; 2030-01-01 is a Tuesday. */
  function times(expression: string, after: string): string[] {
    const { next } = parsed(expression)!;
    const found: string[] = [];
    for (let at = Date.parse(after); found.length < 3; ) {
      const time = next(at, at);
      if (time === undefined) break;
      found.push(new Date(time).toISOString().slice(0, 16));
      at = time;
    }
    return found;
  }

  test.each([
    ['0 3 * * ? *', '2030-01-01T03:00Z', ['2030-01-02T03:00', '2030-01-03T03:00', '2030-01-04T03:00']],
    ['0 3 * * ? *', '2030-01-01T02:59:59.999Z', ['2030-01-01T03:00', '2030-01-02T03:00', '2030-01-03T03:00']],
    ['*/15 * * * ? *', '2030-01-01T23:40Z', ['2030-01-01T23:45', '2030-01-02T00:00', '2030-01-02T00:15']],
    ['5/20 10,12 * * ? *', '2030-01-01T10:30Z', ['2030-01-01T10:45', '2030-01-01T12:05', '2030-01-01T12:25']],
    ['0 18 ? * MON-FRI *', '2030-01-03T18:00Z', ['2030-01-04T18:00', '2030-01-07T18:00', '2030-01-08T18:00']],
    ['0 8 1 * ? *', '2030-01-01T09:00Z', ['2030-02-01T08:00', '2030-03-01T08:00', '2030-04-01T08:00']],
    ['0 0 31 * ? *', '2030-01-31T00:00Z', ['2030-03-31T00:00', '2030-05-31T00:00', '2030-07-31T00:00']],
    ['0 0 29 FEB ? *', '2096-03-01T00:00Z', ['2104-02-29T00:00', '2108-02-29T00:00', '2112-02-29T00:00']],
    ['30 6 ? 7-9/2 1 2030-2031', '2030-09-22T07:00Z', ['2030-09-29T06:30', '2031-07-06T06:30', '2031-07-13T06:30']],
    ['0 0 1 1 ? 2031', '2030-06-01T00:00Z', ['2031-01-01T00:00']],
    ['0 0 1 1 ? 2029', '2030-06-01T00:00Z', []],
    ['0 0 30 2 ? *', '2030-06-01T00:00Z', []],
  ])('%s after %s', (fields, after, expected) => {
    expect(times(`cron(${fields})`, after)).toEqual(expected);
  });

  test.each([
    ['both days', '0 3 * * * *'],
    ['neither day', '0 3 ? * ? *'],
    ['five fields', '0 3 * * ?'],
    ['seven fields', '0 0 3 * * ? *'],
    ['a minute beyond 59', '60 3 * * ? *'],
    ['day 0', '0 3 0 * ? *'],
    ['a range that is upside down', '0 3 ? * FRI-MON *'],
    ['a step of 0', '0/0 3 * * ? *'],
    ['a year beyond 2199', '0 3 * * ? 2200'],
    ['a question of the hour', '0 ? * * ? *'],
    ['an empty part', '0, 3 * * ? *'],
    ['the last day, which is not emulated', '0 3 L * ? *'],
    ['the nearest weekday, which is not emulated', '0 3 15W * ? *'],
    ['the second Tuesday, which is not emulated', '0 3 ? * 3#2 *'],
  ])('%s is refused', (_, fields) => expect(parsed(`cron(${fields})`)).toBeUndefined());
});
