import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RuleModel, TargetModel } from '../../localstack/assembly/model.ts';
import { Delivery } from '../../localstack/events/delivery.ts';
import { matches, pattern } from '../../localstack/events/pattern.ts';
import { transform } from '../../localstack/events/transform.ts';
import { TestEvents } from './events-bus.ts';
import { SimulatedClock } from './states-cloud.ts';

describe('a pattern', () => {
  const event = {
    source: 'aws.s3',
    detail: { bucket: { name: 'b' }, object: { key: 'requests/a', size: 3 } },
    tags: ['x', 'y'],
  };

  test.each([
    [{ source: ['aws.s3'] }, true],
    [{ source: ['aws.ec2', 'aws.s3'] }, true],
    [{ source: ['aws.ec2'] }, false],
    [{ source: [{ prefix: 'aws.' }] }, true],
    [{ detail: { object: { key: [{ prefix: 'requests/' }], size: [3] } } }, true],
    [{ detail: { object: { key: [{ prefix: 'ns/' }] } } }, false],
    [{ detail: { missing: ['x'] } }, false],
    [{ detail: { bucket: { name: { deeper: ['x'] } } } }, false],
    [{ tags: ['y'] }, true],
    [{ source: ['aws.s3'], tags: ['z'] }, false],
  ])('%j matches: %s', (wanted, expected) => {
    expect(matches(pattern.parse(wanted), event)).toBe(expected);
  });

  test.each([{ source: 'aws.s3' }, { source: [] }, { source: [{ suffix: 'x' }] }, { source: [['x']] }])(
    'is refused: %j',
    (wanted) => {
      expect(pattern.safeParse(wanted).success).toBe(false);
    },
  );
});

test('an input is made of what lies at the paths', () => {
  const paths = { name: '$.detail.name', all: '$.detail', none: '$.detail.none', n: '$.detail.n' };
  const event = { detail: { name: 'a"b', n: 5 } };
  const make = (template: string) => JSON.parse(transform({ paths, template }, event)) as unknown;
  expect(make('{"a":<name>,"b":"<name>","c":<all>,"d":<n>,"e":<none>}')).toEqual({
    a: 'a"b',
    b: 'a"b',
    c: event.detail,
    d: 5,
    e: '',
  });
});

describe('deliveries', () => {
  const entry = { Source: 'ops', DetailType: 'asked', Detail: '{"vm":"web"}', EventBusName: 'main' };
  let dir: string;
  let bus: TestEvents;
  let clock: SimulatedClock;
  let invoked: [string, unknown][];
  let answers: ({ error?: unknown } | Error)[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'deliveries-'));
    clock = new SimulatedClock();
    bus = new TestEvents(clock);
    [invoked, answers] = [[], []];
  });
  afterEach(() => {
    bus.remove();
    rmSync(dir, { recursive: true });
  });

  const target: TargetModel = { arn: 'arn:aws:lambda:x:y:function:f', attempts: 3, queue: 'refused' };
  const rule = (change: Partial<RuleModel> = {}): RuleModel => {
    const named = { arn: 'arn:aws:events:x:y:rule/r', recurrence: undefined };
    return { ...named, bus: 'main', pattern: { 'detail-type': ['asked'] }, targets: [target], ...change };
  };
  const open = (rules: readonly RuleModel[]) =>
    new Delivery({
      rules,
      clock,
      dir: join(dir, 'deliveries'),
      queueDir: join(dir, 'queues'),
      invoke: async (arn, payload) => {
        invoked.push([arn, JSON.parse(payload)]);
        const answer = answers.shift() ?? {};
        if (answer instanceof Error) throw answer;
        return answer;
      },
    });
  const put = (...Entries: object[]) => bus.events.call('PutEvents', { Entries });
  const waiting = () => readdirSync(join(dir, 'deliveries'));
  const queued = () => {
    const file = join(dir, 'queues', 'refused.jsonl');
    return existsSync(file)
      ? readFileSync(file, 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
      : [];
  };

  test('go to the targets of the rules that match, on their bus alone', async () => {
    bus.events.subscribe(open([rule(), rule({ bus: 'default' }), rule({ pattern: { source: ['else'] } })]).listen);
    await put(entry, { ...entry, DetailType: 'told' });
    await clock.run();
    expect(invoked).toMatchObject([[target.arn, { 'detail-type': 'asked', detail: { vm: 'web' } }]]);
    expect(waiting()).toEqual([]);
    expect(queued()).toEqual([]);
  });

  test('are tried again, and go to the queue with their error when that is enough', async () => {
    bus.events.subscribe(open([rule()]).listen);
    answers = [{ error: { errorType: 'A' } }, new Error('away'), { error: { errorType: 'B' } }];
    await put(entry);
    await clock.run();
    expect(invoked).toHaveLength(3);
    expect(queued()).toMatchObject([
      {
        requestContext: { functionArn: target.arn, condition: 'RetriesExhausted', approximateInvokeCount: 3 },
        requestPayload: { detail: { vm: 'web' } },
        responsePayload: { errorType: 'B' },
      },
    ]);
    expect(waiting()).toEqual([]);
  });

  test('that a crash cut off are made after the restart, once and no torn ones', async () => {
    const before = open([rule()]);
    bus.events.subscribe(before.listen);
    answers = [{ error: 'first' }];
    await put(entry);
    await clock.advance(0);
    before.stop();
    expect(waiting()).toHaveLength(1);
    writeFileSync(join(dir, 'deliveries', 'torn.json'), '{"target":');
    invoked = [];
    const after = open([rule()]);
    after.resume();
    await clock.run();
    expect(invoked).toHaveLength(1);
    expect(waiting()).toEqual([]);
    expect(queued()).toEqual([]);
  });

  test('get the input that the target is to have', async () => {
    const transformer = { paths: { vm: '$.detail.vm' }, template: '{"step":"ended","execution":<vm>}' };
    bus.events.subscribe(open([rule({ targets: [{ ...target, transformer }] })]).listen);
    await put(entry);
    await clock.run();
    expect(invoked).toEqual([[target.arn, { step: 'ended', execution: 'web' }]]);
  });

  test('of events that a service emits come from the default bus', async () => {
    bus.events.subscribe(open([rule({ bus: 'default', pattern: { source: ['aws.s3'] } })]).listen);
    bus.events.emit({ source: 'aws.s3', 'detail-type': 'Object Created', detail: { object: { key: 'k' } } });
    await clock.run();
    expect(invoked).toMatchObject([[target.arn, { source: 'aws.s3', detail: { object: { key: 'k' } } }]]);
  });
});
