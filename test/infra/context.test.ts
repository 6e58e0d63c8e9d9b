import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, describe, expect, it } from 'vitest';
import { HOST_EVACUATE, MIGRATION_REQUESTED } from '../../core/api/events.ts';
import { limits } from '../../core/limits.ts';
import { contextKeys, propsOf, readContext } from '../../infra/context.ts';
import { LayerMover } from '../../infra/layer-mover.ts';
import { stubBundles } from './stub-bundles.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'layermover-context-'));
afterAll(() => rmSync(dir, { recursive: true }));
const bundles = stubBundles(dir);

function templateOf(context: Record<string, unknown>): Template {
  const app = new App({ outdir: mkdtempSync(path.join(dir, 'out-')), context });
  const stack = new Stack(app, 'Plain');
  new LayerMover(stack, 'LayerMover', { ...propsOf(stack, readContext(app)), bundles });
  return Template.fromStack(stack);
}

/** As the command line gives them: all text. */
const SAID = {
  namespaces: 'team-a,team-b',
  'removal-policy': 'destroy',
  'index-sampling': '4',
  'alarm-topic': 'arn:aws:sns:eu-central-1:123456789012:on-call',
  'dollars-per-hour': '2.5',
  'encryption-key': 'arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef',
  'access-logs-bucket': 'their-logs',
  'log-days': '7',
  'calls-per-second': '50',
  'calls-burst': '60',
};

describe('the context of the plain app', () => {
  it('sets everything that it names', () => {
    const template = templateOf(SAID);
    const rules = ['team-a', 'team-b'].map((name) => Match.objectLike({ Prefix: `ns/${name}/migrations/` }));
    template.hasResourceProperties('AWS::S3::Bucket', {
      LifecycleConfiguration: { Rules: Match.arrayWith(rules) },
      LoggingConfiguration: { DestinationBucketName: 'their-logs' },
    });
    template.allResources('AWS::DynamoDB::Table', { DeletionPolicy: 'Delete' });
    template.resourceCountIs('AWS::KMS::Key', 0);
    template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 7 });
    template.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: [SAID['alarm-topic']] });
    template.hasResourceProperties('AWS::CloudWatch::Alarm', { Threshold: 2.5 });
    const settings = [Match.objectLike({ ThrottlingRateLimit: 50, ThrottlingBurstLimit: 60 })];
    template.hasResourceProperties('AWS::ApiGateway::Stage', { MethodSettings: settings });
    expect(JSON.stringify(template.findResources('AWS::Lambda::Function'))).toContain('"INDEX_SAMPLING":"4"');
  });

  it('says nothing: the construct’s own defaults', () => {
    const template = templateOf({});
    template.allResources('AWS::S3::Bucket', { DeletionPolicy: 'Retain' });
    template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
  });

  it('may be written in cdk.json as what it is', () => {
    expect(readContext(new App({ context: { namespaces: ['a'], 'log-days': 7, 'emulated-callers': true } }))).toEqual({
      namespaces: ['a'],
      'log-days': 7,
      'emulated-callers': true,
    });
  });

  it.each([
    ['namespaces', 'Team A'],
    ['removal-policy', 'keep'],
    ['index-sampling', 'none'],
    ['alarm-topic', 'on-call'],
  ])('%s: %s is refused by name', (key, value) => {
    expect(() => readContext(new App({ context: { [key]: value } }))).toThrow(new RegExp(`CONTEXT_INVALID|${key}`));
  });

  describe('schedules', () => {
    const move = { vms: ['web-1'], to: 'b/h2' };
    const evacuate = { namespace: 'team-a', from: 'a/h1', to: 'b/h2' };
    const nightly = { schedule: 'cron(0 3 ? * MON-FRI *)', migrate: move };
    const often = { schedule: 'rate(1 minute)', evacuate };

    it.each([
      ['as they are', (list: unknown) => list],
      ['as text', JSON.stringify],
    ])('%s: a rule each, whose events say what is asked for', (_, told) => {
      const rules = templateOf({ schedules: told([nightly, often]) }).findResources('AWS::Events::Rule');
      const made = Object.entries(rules).filter(([id]) => id.includes('EventsSchedule'));
      const inputs = made.map(([, { Properties }]) => {
        const { InputPathsMap, InputTemplate } = Properties.Targets[0].InputTransformer;
        expect(Object.values(InputPathsMap)).toEqual(['$.id']);
        return [Properties.ScheduleExpression, JSON.parse(InputTemplate.replace(/<[^>]+>/, '"an-id"'))];
      });
      expect(inputs).toEqual([
        [nightly.schedule, { id: 'an-id', 'detail-type': MIGRATION_REQUESTED, detail: expect.objectContaining(move) }],
        [often.schedule, { id: 'an-id', 'detail-type': HOST_EVACUATE, detail: expect.objectContaining(evacuate) }],
      ]);
    });

    it.each([
      ['no list', nightly, /schedules/],
      ['torn text', '[{', /schedules/],
      ['another expression', [{ ...often, schedule: 'every day' }], /schedules\[0\]\.schedule/],
      ['five fields of cron', [{ ...often, schedule: 'cron(0 3 * * ?)' }], /schedules\[0\]\.schedule/],
      ['neither', [often, { schedule: 'rate(1 day)' }], /either migrate or evacuate\s+→ at schedules\[1\]/],
      ['both', [{ ...often, migrate: move }], /either migrate or evacuate/],
      [
        'a request id, by which only the first would do anything',
        [{ ...nightly, migrate: { ...move, request_id: 'r-12345678' } }],
        /request_id/,
      ],
      ['a VM too little', [{ ...nightly, migrate: { ...move, vms: [] } }], /migrate\.vms/],
      ['too many', Array(limits.schedules_max + 1).fill(often), /schedules/],
    ])('%s is refused', (_, schedules, told) => {
      expect(() => readContext(new App({ context: { schedules } }))).toThrow(told);
    });

    it('as many as may be', () => {
      const { schedules } = readContext(new App({ context: { schedules: Array(limits.schedules_max).fill(often) } }));
      expect(schedules).toHaveLength(limits.schedules_max);
    });
  });

  it('is in the page on deploying, key by key', () => {
    const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/DEPLOY.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, key]) => key!);
    expect(rows.toSorted()).toEqual(Object.keys(contextKeys).toSorted());
  });
});

it('the construct without bundles says where they come from', () => {
  const stack = new Stack(new App(), 'Unbuilt');
  expect(() => new LayerMover(stack, 'Mover')).toThrow(expect.objectContaining({ code: 'BUNDLES_MISSING' }));
});

it('functions have the memory that they are given, and the others theirs', () => {
  const stack = new Stack(new App({ outdir: mkdtempSync(path.join(dir, 'out-')) }), 'Sized');
  new LayerMover(stack, 'Mover', { bundles, memoryMib: { tasks: 1024 } });
  const sizes = Object.values(Template.fromStack(stack).findResources('AWS::Lambda::Function')).map(
    ({ Properties }) => Properties.MemorySize,
  );
  expect(sizes.toSorted((a, b) => a - b)).toEqual([...Array(7).fill(512), 1024, 1769, 1769]);
});
