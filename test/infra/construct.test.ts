import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { App, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { FUNCTIONS, settings } from '../../functions/settings.ts';
import type { Bundles } from '../../infra/bundle.ts';
import { LayerMover } from '../../infra/layer-mover.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'layermover-construct-'));
afterAll(() => rmSync(dir, { recursive: true }));

let template: Template;
beforeAll(() => {
  const code = path.join(dir, 'code');
  mkdirSync(code);
  writeFileSync(path.join(code, 'index.mjs'), 'export const handler = () => {};');
  const bundles = Object.fromEntries(FUNCTIONS.map((name) => [name, code])) as Bundles;
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
  expect(told).toEqual(['1', '1']);
});

it('lets go of bucket and tables if it is told to', () => {
  template.allResources('AWS::S3::Bucket', { DeletionPolicy: 'Delete' });
  template.allResources('AWS::DynamoDB::Table', { DeletionPolicy: 'Delete' });
});
