/** The times of a cron expression in UTC: what each field admits, ascending. */
export interface Cron {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly daysOfMonth: readonly number[];
  readonly months: readonly number[];
  /** 1 = Sunday. */
  readonly daysOfWeek: readonly number[];
  readonly years: readonly number[];
}

interface Field {
  readonly min: number;
  readonly max: number;
  /** Other words for min, min + 1 and so on. */
  readonly names?: readonly string[];
}

const MINUTE: Field = { min: 0, max: 59 };
const HOUR: Field = { min: 0, max: 23 };
const DAY_OF_MONTH: Field = { min: 1, max: 31 };
const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const MONTH: Field = { min: 1, max: 12, names: MONTHS };
const DAY_OF_WEEK: Field = { min: 1, max: 7, names: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] };
const YEAR: Field = { min: 1970, max: 2199 };

/**
 * Reads the six fields of `cron(minutes hours day-of-month month day-of-week year)`; undefined if they are none. Lists, ranges,
 * steps and names are emulated; `L`, `W` and `#` are not. One of the two days is `?`, and only one.
 * Source: "Cron expressions", EventBridge's guide.
 */
export function parseCron(fields: string): Cron | undefined {
  const texts = fields.split(' ');
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = '', year = ''] = texts;
  if (texts.length !== 6 || (dayOfMonth === '?') === (dayOfWeek === '?')) return undefined;
  const cron = {
    minutes: values(minute, MINUTE),
    hours: values(hour, HOUR),
    daysOfMonth: values(dayOfMonth === '?' ? '*' : dayOfMonth, DAY_OF_MONTH),
    months: values(month, MONTH),
    daysOfWeek: values(dayOfWeek === '?' ? '*' : dayOfWeek, DAY_OF_WEEK),
    years: values(year, YEAR),
  };
  return Object.values(cron).every((each) => each !== undefined) ? (cron as Cron) : undefined;
}

/** What a list of `*`, `3`, `3-5`, `3/2`, `3-9/2` admits; undefined if a part is none of these or out of range. */
function values(text: string, field: Field): number[] | undefined {
  const admitted = new Set<number>();
  for (const part of text.split(',')) {
    const [, from = '', to, step = '1'] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d{1,4}))?$/.exec(part) ?? [];
    const isAll = from === '*';
    const first = isAll ? field.min : numberOf(from, field);
    const alone = isAll || part.includes('/') ? field.max : first;
    const last = to === undefined ? alone : numberOf(to, field);
    const isRange = first !== undefined && last !== undefined && first <= last && !(isAll && to !== undefined);
    if (!isRange || Number(step) < 1) return undefined;
    for (let value = first; value <= last; value += Number(step)) admitted.add(value);
  }
  return [...admitted].toSorted((left, right) => left - right);
}

function numberOf(text: string, { min, max, names = [] }: Field): number | undefined {
  const named = names.indexOf(text.toUpperCase());
  const value = named >= 0 ? min + named : /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}

/** The first time after `afterMs`; undefined if there is none before the year 2200. */
export function nextTime(cron: Cron, afterMs: number): number | undefined {
  for (const dayMs of days(cron, new Date(afterMs))) {
    for (const hour of cron.hours) {
      for (const minute of cron.minutes) {
        const atMs = dayMs + (hour * 60 + minute) * 60_000;
        if (atMs > afterMs) return atMs;
      }
    }
  }
  return undefined;
}

/** Midnights of the days that a cron expression admits, from that of `from` on. */
function* days({ years, months, daysOfMonth, daysOfWeek }: Cron, from: Date): Generator<number> {
  const todayMs = Date.UTC(from.getUTCFullYear(), from.getUTCMonth(), from.getUTCDate());
  for (const year of years.filter((each) => each >= from.getUTCFullYear())) {
    for (const month of months) {
      for (const day of daysOfMonth) {
        const date = new Date(Date.UTC(year, month - 1, day));
        const isThere = date.getUTCMonth() === month - 1;
        if (isThere && date.getTime() >= todayMs && daysOfWeek.includes(date.getUTCDay() + 1)) yield date.getTime();
      }
    }
  }
}
