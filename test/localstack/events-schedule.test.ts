import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { RuleModel } from '../../localstack/assembly/model.ts';
import { parseRate, Schedules } from '../../localstack/events/schedule.ts';
import { SimulatedClock } from './states-cloud.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test.each([
  ['rate(7 days)', 7 * DAY_MS],
  ['rate(1 day)', DAY_MS],
  ['rate(5 minutes)', 300_000],
  ['rate(2 hours)', 7_200_000],
  ['rate(0 days)', undefined],
  ['rate(1 week)', undefined],
  ['cron(0 3 * * ? *)', undefined],
])('%s comes every %s ms', (expression, expected) => {
  const parsed = z.string().transform(parseRate).safeParse(expression);
  expect(parsed.success ? parsed.data : undefined).toBe(expected);
});

describe('rules on a schedule', () => {
  let dir: string;
  let clock: SimulatedClock;
  let times: [string, object][];
  let open: Schedules[];
  const often: RuleModel = {
    arn: 'arn:aws:events:x:y:rule/often',
    bus: 'default',
    pattern: undefined,
    everyMs: 3 * HOUR_MS,
    targets: [],
  };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'schedules-'));
    clock = new SimulatedClock();
    [times, open] = [[], []];
  });
  afterEach(() => {
    for (const each of open) each.stop();
    rmSync(dir, { recursive: true });
  });

  function start(rules: readonly RuleModel[] = [often]): Schedules {
    const onTime = (rule: RuleModel, event: object) => void times.push([rule.arn, event]);
    const schedules = new Schedules({ rules, dir, clock, account: 'y', region: 'x', onTime });
    schedules.start();
    open.push(schedules);
    return schedules;
  }

  test('come one period after they became known, and again', async () => {
    start([often, { ...often, arn: 'arn:aws:events:x:y:rule/on-a-bus', everyMs: undefined }]);
    await clock.advance(3 * HOUR_MS - 1);
    expect(times).toEqual([]);
    await clock.advance(60_000);
    expect(times).toMatchObject([[often.arn, { source: 'aws.events', 'detail-type': 'Scheduled Event' }]]);
    await clock.advance(6 * HOUR_MS + 120_000);
    expect(times).toHaveLength(3);
  });

  test('that were missed while the cloud was down are made up for, once', async () => {
    start().stop();
    await clock.advance(30 * HOUR_MS);
    expect(times).toEqual([]);
    start();
    expect(times).toHaveLength(1);
    await clock.advance(3 * HOUR_MS + 60_000);
    expect(times).toHaveLength(2);
  });

  test('whose rate was changed come no later than the new rate says', async () => {
    start().stop();
    start([{ ...often, everyMs: 3_600_000 }]);
    await clock.advance(3_600_000 + 60_000);
    expect(times).toHaveLength(1);
  });
});
