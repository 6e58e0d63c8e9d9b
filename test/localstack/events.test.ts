import { existsSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BusEvent } from '../../localstack/events/api.ts';
import { limits } from '../../localstack/events/limits.ts';
import type { Ports } from '../../localstack/states/ports.ts';
import { TestEvents } from './events-bus.ts';
import { SimulatedClock, single, TestCloud } from './states-cloud.ts';

let bus: TestEvents;
beforeEach(() => {
  bus = new TestEvents(new SimulatedClock());
});
afterEach(() => bus.remove());

const entry = { Source: 'layermover', DetailType: 'done', Detail: '{"vm":"web"}', EventBusName: 'main' };
const put = (...Entries: object[]) => bus.events.call('PutEvents', { Entries });

describe('PutEvents', () => {
  test('logs each event as targets get it, and answers with its id', async () => {
    const answer = await put({ ...entry, Resources: ['arn:x'] }, { ...entry, EventBusName: undefined });
    expect(answer.FailedEntryCount).toBe(0);
    const [first, second] = bus.logged();
    expect(first).toEqual({
      bus: 'main',
      event: {
        version: '0',
        id: expect.any(String),
        'detail-type': 'done',
        source: 'layermover',
        account: '000000000000',
        time: '2030-01-01T00:00:00Z',
        region: 'eu-central-1',
        resources: ['arn:x'],
        detail: { vm: 'web' },
      },
    });
    expect(second).toMatchObject({ bus: 'default', event: { resources: [] } });
    expect(answer.Entries).toEqual([{ EventId: first!.event.id }, { EventId: second!.event.id }]);
    expect(first!.event.id).not.toBe(second!.event.id);
  });

  test.each([
    ['InvalidArgument', { Source: undefined }],
    ['InvalidArgument', { DetailType: '' }],
    ['InvalidArgument', { DetailType: 'x'.repeat(limits.detail_type_chars_max + 1) }],
    ['InvalidArgument', { Detail: undefined }],
    ['MalformedDetail', { Detail: '{' }],
    ['MalformedDetail', { Detail: '"text"' }],
    ['MalformedDetail', { Detail: '[1]' }],
    ['NotAuthorizedForSourceException', { Source: 'aws.s3' }],
    ['ResourceNotFoundException', { EventBusName: 'elsewhere' }],
    ['ResourceNotFoundException', { EventBusName: 'arn:aws:events:eu-central-1:000000000000:event-bus/elsewhere' }],
  ])('refuses an entry with %s for %j, and takes its neighbours', async (ErrorCode, fields) => {
    const answer = await put(entry, { ...entry, ...fields }, entry);
    expect(answer.FailedEntryCount).toBe(1);
    expect(answer.Entries[1]).toEqual({ ErrorCode, ErrorMessage: expect.any(String) });
    expect(bus.logged().length).toBe(2);
  });

  test('a bus goes by its name or its ARN', async () => {
    await put({ ...entry, EventBusName: 'arn:aws:events:eu-central-1:000000000000:event-bus/main' });
    expect(bus.logged()).toMatchObject([{ bus: 'main' }]);
  });

  test.each([
    ['no entries', { Entries: [] }],
    ['too many', { Entries: Array(limits.entries_max + 1).fill(entry) }],
    ['too much', { Entries: [{ ...entry, Detail: JSON.stringify('x'.repeat(limits.request_bytes_max)) }] }],
    ['no list', {}],
    ['no object', null],
  ])('refuses the whole call for %s', async (_name, body) => {
    await expect(bus.events.call('PutEvents', body)).rejects.toMatchObject({
      code: 'ValidationException',
      status: 400,
    });
    expect(bus.logged()).toEqual([]);
  });

  test('other calls are refused by name', async () => {
    await expect(bus.events.call('PutRule', {})).rejects.toMatchObject({ code: 'UnknownOperationException' });
  });
});

test('listeners see events once they are logged, until they leave', async () => {
  const seen: [string, BusEvent][] = [];
  const leave = bus.events.subscribe((event, name) => {
    expect(bus.logged().at(-1)!.event.id).toBe(event.id);
    seen.push([name, event]);
  });
  await put(entry, { ...entry, Detail: '{' });
  leave();
  await put(entry);
  expect(seen).toEqual([['main', expect.objectContaining({ detail: { vm: 'web' } })]]);
});

test('the log is turned over at its bound, over a restart, too, and loses no event before its time', async () => {
  const Detail = JSON.stringify({ filler: 'x'.repeat(200_000) });
  const perFile = Math.floor(limits.log_bytes_max / (Detail.length + 300));
  const half = Math.floor(perFile / 2);
  for (let n = 0; n < half; n++) await put({ ...entry, Detail, DetailType: `${n}` });
  const again = bus.reopen();
  for (let n = half; n < perFile + 10; n++)
    await again.call('PutEvents', { Entries: [{ ...entry, Detail, DetailType: `${n}` }] });
  expect(statSync(bus.file).size).toBeLessThanOrEqual(limits.log_bytes_max);
  expect(statSync(`${bus.file}.1`).size).toBeLessThanOrEqual(limits.log_bytes_max);
  const kept = [...bus.logged(`${bus.file}.1`), ...bus.logged()].map(({ event }) => event['detail-type']);
  expect(kept).toEqual(Array.from({ length: perFile + 10 }, (_, n) => `${n}`));
  for (let n = 0; n < 2 * perFile; n++) await again.call('PutEvents', { Entries: [{ ...entry, Detail }] });
  expect(existsSync(`${bus.file}.2`)).toBe(false);
});

test('a workflow puts its events on the bus', async () => {
  const putEvents: Ports['putEvents'] = (Entries) => bus.events.call('PutEvents', { Entries });
  const machine = single({
    Type: 'Task',
    Resource: 'arn:aws:states:::events:putEvents',
    Parameters: { Entries: [{ Source: 'layermover', DetailType: 'done', 'Detail.$': '$', EventBusName: 'main' }] },
  });
  expect(await new TestCloud(machine, { putEvents }).run({ vm: 'web' })).toMatchObject({ status: 'SUCCEEDED' });
  expect(bus.logged()).toMatchObject([{ bus: 'main', event: { detail: { vm: 'web' } } }]);
});
