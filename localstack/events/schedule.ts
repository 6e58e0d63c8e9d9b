import { join } from 'node:path';
import { z } from 'zod';
import type { RuleModel } from '../assembly/model.ts';
import type { Clock } from '../clock.ts';
import { readState, writeState } from '../cloud/state-file.ts';
import { limits } from './limits.ts';

const UNIT_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 24 * 3_600_000 };

/** Milliseconds of `rate(7 days)`. Source: "Rate expressions", EventBridge's guide. Cron expressions are not emulated. */
export function parseRate(expression: string, context: z.core.$RefinementCtx): number {
  const [, count, unit] = /^rate\(([1-9]\d{0,5}) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (count !== undefined && unit !== undefined) return Number(count) * UNIT_MS[unit]!;
  context.addIssue({ code: 'custom', message: `${expression}: only rates are emulated` });
  return z.NEVER;
}

/** When each rule's next time is, by its ARN. */
const dueTimes = z.record(z.string(), z.number());

export interface ScheduleOptions {
  readonly rules: readonly RuleModel[];
  /** Where it is kept when the next times are: those that passed while the cloud was down are made up for, once. */
  readonly dir: string;
  readonly clock: Clock;
  readonly account: string;
  readonly region: string;
  /** Hears of each time of a rule, with the event that tells of it. */
  readonly onTime: (rule: RuleModel, event: object) => void;
}

/** Rules that come again at a rate, first one period after the cloud began to know them. */
export class Schedules {
  readonly #options: ScheduleOptions;
  readonly #due = new Map<string, number>();
  readonly #file: string;
  #cancel: (() => void) | undefined;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#file = join(options.dir, 'schedules.json');
    const known = readState(this.#file, dueTimes) ?? {};
    const nowMs = options.clock.nowMs();
    for (const { arn, everyMs } of options.rules) {
      // A rule whose rate was changed comes no later than the new rate says.
      if (everyMs !== undefined) this.#due.set(arn, Math.min(known[arn] ?? Number.POSITIVE_INFINITY, nowMs + everyMs));
    }
  }

  start(): void {
    if (this.#due.size === 0) return;
    this.#keep();
    this.#look();
  }

  stop(): void {
    this.#cancel?.();
  }

  #look(): void {
    const { clock, rules } = this.#options;
    for (const rule of rules) {
      const due = this.#due.get(rule.arn);
      if (due === undefined || due > clock.nowMs()) continue;
      this.#due.set(rule.arn, clock.nowMs() + rule.everyMs!);
      this.#keep();
      this.#options.onTime(rule, this.#event(rule, due));
    }
    const next = Math.min(...this.#due.values()) - clock.nowMs();
    this.#cancel = clock.schedule(Math.min(next, limits.schedule_look_ms), () => this.#look());
  }

  #keep(): void {
    writeState(this.#file, Object.fromEntries(this.#due));
  }

  /** Source: "Scheduled Event", EventBridge's guide. */
  #event({ arn }: RuleModel, dueMs: number): object {
    const { account, region } = this.#options;
    return {
      version: '0',
      id: `${arn.replace(/^.*\//, '')}-${dueMs}`,
      'detail-type': 'Scheduled Event',
      source: 'aws.events',
      account,
      time: new Date(dueMs).toISOString().replace(/\.\d+Z$/, 'Z'),
      region,
      resources: [arn],
      detail: {},
    };
  }
}
