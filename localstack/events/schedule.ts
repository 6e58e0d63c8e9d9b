import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import type { RuleModel } from '../assembly/model.ts';
import type { Clock } from '../clock.ts';
import { readState, writeState } from '../cloud/state-file.ts';
import { limits } from './limits.ts';
import type { Recurrence } from './recurrence.ts';

/** When each rule's next time is, by its ARN and its expression: a rule that gets another one begins anew. */
const dueTimes = z.record(z.string(), z.number());

export interface ScheduleOptions {
  readonly rules: readonly RuleModel[];
  /** Where it is kept when the next times are: those that passed while the cloud was down are made up for, once. */
  readonly dir: string;
  readonly clock: Clock;
  readonly account: string;
  readonly region: string;
  /** Hears of each time of a rule, with the event that tells of it; after a crash perhaps twice, of the same event. */
  readonly onTime: (rule: RuleModel, event: object) => void;
}

interface Scheduled {
  readonly rule: RuleModel;
  readonly recurrence: Recurrence;
  dueMs: number | undefined;
}

/** Rules that come again. One at a rate comes first a period after the cloud began to know it. */
export class Schedules {
  readonly #options: ScheduleOptions;
  readonly #scheduled: readonly Scheduled[];
  readonly #file: string;
  #cancel: (() => void) | undefined;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#file = join(options.dir, 'schedules.json');
    const known = readState(this.#file, dueTimes) ?? {};
    const nowMs = options.clock.nowMs();
    this.#scheduled = options.rules.flatMap((rule) => {
      const { recurrence } = rule;
      if (recurrence === undefined) return [];
      // What a wrong clock has put off is not waited for.
      const due = [known[keyOf(rule, recurrence)], recurrence.next(nowMs, nowMs)].filter((each) => each !== undefined);
      return [{ rule, recurrence, dueMs: due.length === 0 ? undefined : Math.min(...due) }];
    });
  }

  start(): void {
    if (this.#scheduled.length === 0) return;
    this.#keep();
    this.#look();
  }

  stop(): void {
    this.#cancel?.();
  }

  #look(): void {
    const { clock, onTime } = this.#options;
    const nowMs = clock.nowMs();
    for (const each of this.#scheduled) {
      const { rule, recurrence, dueMs } = each;
      if (dueMs === undefined || dueMs > nowMs) continue;
      onTime(rule, this.#event(rule, dueMs));
      each.dueMs = recurrence.next(dueMs, nowMs);
      this.#keep();
    }
    const due = this.#scheduled.map(({ dueMs = Number.POSITIVE_INFINITY }) => dueMs);
    const waitMs = Math.min(Math.min(...due) - nowMs, limits.schedule_look_ms);
    this.#cancel = clock.schedule(waitMs, () => this.#look());
  }

  #keep(): void {
    const due = this.#scheduled.filter(({ dueMs }) => dueMs !== undefined);
    writeState(
      this.#file,
      Object.fromEntries(due.map(({ rule, recurrence, dueMs }) => [keyOf(rule, recurrence), dueMs])),
    );
  }

  /** Source: "Scheduled Event", EventBridge's guide. */
  #event({ arn }: RuleModel, dueMs: number): object {
    const { account, region } = this.#options;
    return {
      version: '0',
      id: idOf(`${arn} ${dueMs}`),
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

function keyOf({ arn }: RuleModel, { expression }: Recurrence): string {
  return `${arn} ${expression}`;
}

/** In the form of a UUID, as EventBridge's are; the same time of the same rule has the same one. */
function idOf(text: string): string {
  const digits = createHash('sha256').update(text).digest('hex');
  return [0, 8, 12, 16, 20].map((from, at, starts) => digits.slice(from, starts[at + 1] ?? 32)).join('-');
}
