import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { App, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { routes } from '../../core/api/routes.ts';
import { limits } from '../../core/limits.ts';
import { EMULATED_CALLERS, settings } from '../../functions/settings.ts';
import type { Bundles } from '../../infra/bundles.ts';
import { LayerMover } from '../../infra/layer-mover.ts';
import { stubBundles } from './stub-bundles.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'layermover-construct-'));
afterAll(() => rmSync(dir, { recursive: true }));

let template: Template;
let bundles: Bundles;
beforeAll(() => {
  bundles = stubBundles(dir);
  const stack = new Stack(new App({ outdir: path.join(dir, 'out') }), 'Theirs');
  new LayerMover(stack, 'Mover', {
    bundles,
    indexSampling: 1,
    namespaces: ['team-a', 'team-b'],
    removalPolicy: RemovalPolicy.DESTROY,
  });
  template = Template.fromStack(stack);
});

it('expires what migrations of each namespace left over', () => {
  const rules = ['team-a', 'team-b'].map((name) => {
    return Match.objectLike({ Prefix: `ns/${name}/migrations/`, ExpirationInDays: limits.left_over_days });
  });
  template.hasResourceProperties('AWS::S3::Bucket', {
    LifecycleConfiguration: { Rules: [Match.objectLike({ AbortIncompleteMultipartUpload: {} }), ...rules] },
  });
});

it('samples the index as it is told, where it is read and where it is written', () => {
  const told = Object.values(template.findResources('AWS::Lambda::Function'))
    .map(({ Properties }) => Properties.Environment.Variables[settings.sampling])
    .filter((value) => value !== undefined);
  expect(told).toEqual(['1', '1', '1', '1', '1']);
});

it('collects each namespace at the wanted times, and layers after the wanted days; or by hand alone', () => {
  const rules = Object.values(template.findResources('AWS::Events::Rule')).filter(
    ({ Properties }) => Properties.ScheduleExpression !== undefined,
  );
  const told = rules.map(({ Properties }) => [Properties.ScheduleExpression, JSON.parse(Properties.Targets[0].Input)]);
  expect(told).toEqual(
    ['team-a', 'team-b', 'public'].map((namespace) => ['rate(7 days)', { namespace, dry_run: false }]),
  );
  const stack = new Stack(new App({ outdir: path.join(dir, 'by-hand') }), 'ByHand');
  new LayerMover(stack, 'Mover', { bundles, garbageCollection: { schedule: false, layerUnusedDays: 30 } });
  const byHand = Template.fromStack(stack);
  byHand.resourcePropertiesCountIs('AWS::Events::Rule', { ScheduleExpression: Match.anyValue() }, 0);
  byHand.hasResourceProperties('AWS::Lambda::Function', {
    Environment: { Variables: Match.objectLike({ [settings.unusedDays]: '30' }) },
  });
});

it('lets go of bucket and tables if it is told to', () => {
  template.allResources('AWS::S3::Bucket', { DeletionPolicy: 'Delete' });
  template.allResources('AWS::DynamoDB::Table', { DeletionPolicy: 'Delete' });
});

it('takes callers for whom their key ids name only where an emulator asks for it', () => {
  const told = (made: Template) =>
    Object.values(made.findResources('AWS::Lambda::Function')).filter(
      ({ Properties }) => EMULATED_CALLERS in Properties.Environment.Variables,
    ).length;
  expect(told(template)).toBe(0);
  const answering = new Set(Object.values(routes).map((route) => route.function));
  const stack = new Stack(new App({ outdir: path.join(dir, 'emulated') }), 'Emulated');
  new LayerMover(stack, 'Mover', { bundles, emulatedCallers: true });
  expect(told(Template.fromStack(stack))).toBe(answering.size);
});
