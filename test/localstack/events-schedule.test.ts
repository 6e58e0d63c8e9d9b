import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { RuleModel } from '../../localstack/assembly/model.ts';
import { parseRecurrence } from '../../localstack/events/recurrence.ts';
import { Schedules } from '../../localstack/events/schedule.ts';
import { SimulatedClock } from './states-cloud.ts';

const HOUR_MS = 3_600_000;
const recurrence = (expression: string) => z.string().transform(parseRecurrence).parse(expression);

describe('rules on a schedule', () => {
  let dir: string;
  let clock: SimulatedClock;
  let times: [string, object][];
  let open: Schedules[];
  const often: RuleModel = {
    arn: 'arn:aws:events:x:y:rule/often',
    bus: 'default',
    pattern: undefined,
    recurrence: recurrence('rate(3 hours)'),
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
    start([often, { ...often, arn: 'arn:aws:events:x:y:rule/on-a-bus', recurrence: undefined }]);
    await clock.advance(3 * HOUR_MS - 1);
    expect(times).toEqual([]);
    await clock.advance(60_000);
    expect(times).toMatchObject([[often.arn, { source: 'aws.events', 'detail-type': 'Scheduled Event' }]]);
    await clock.advance(6 * HOUR_MS + 120_000);
    expect(times).toHaveLength(3);
  });

  test('that were missed while the cloud was down are made up for, once', async () => {
    start().stop();
    await clock.advance(31 * HOUR_MS);
    expect(times).toEqual([]);
    start();
    expect(times).toHaveLength(1);
    await clock.advance(2 * HOUR_MS);
    expect(times, 'the next one comes when it would have come').toHaveLength(2);
  });

  test('come at their times in UTC', async () => {
    start([{ ...often, recurrence: recurrence('cron(30 3 ? * TUE *)') }]);
    await clock.advance(15 * 24 * HOUR_MS);
    expect(times.map(([, event]) => (event as { time: string }).time)).toEqual([
      '2030-01-01T03:30:00Z',
      '2030-01-08T03:30:00Z',
      '2030-01-15T03:30:00Z',
    ]);
  });

  test('that never come again keep the others from nothing', async () => {
    start([{ ...often, arn: 'arn:aws:events:x:y:rule/over', recurrence: recurrence('cron(0 0 1 1 ? 2029)') }, often]);
    await clock.advance(3 * HOUR_MS + 60_000);
    expect(times.map(([arn]) => arn)).toEqual([often.arn]);
  });

  test('whose expression was changed begin anew', async () => {
    start().stop();
    await clock.advance(2.5 * HOUR_MS);
    start([{ ...often, recurrence: recurrence('rate(1 hour)') }]);
    await clock.advance(HOUR_MS - 1);
    expect(times).toEqual([]);
    await clock.advance(60_000);
    expect(times).toHaveLength(1);
  });

  test('that a clock far ahead put off come when they should once it is right', async () => {
    clock.set(1000 * HOUR_MS);
    start().stop();
    clock.set(-1000 * HOUR_MS);
    start();
    await clock.advance(3 * HOUR_MS + 60_000);
    expect(times).toHaveLength(1);
  });

  test('tell of each time with an id of its own, in the form of a UUID, and of the same time after a crash with the same', async () => {
    const file = join(dir, 'schedules.json');
    start();
    const before = readFileSync(file);
    await clock.advance(6 * HOUR_MS + 60_000);
    open.pop()!.stop();
    writeFileSync(file, before);
    start();
    const ids = times.map(([, event]) => (event as { id: string }).id);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(ids[1]).not.toBe(ids[0]);
    expect(ids[2]).toBe(ids[0]);
  });
});
