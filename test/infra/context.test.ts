import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, describe, expect, it } from 'vitest';
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
