import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { afterAll, expect, it } from 'vitest';
import { LayerMover } from '../../infra/layer-mover.ts';
import { stubBundles } from './stub-bundles.ts';

interface Report {
  readonly pluginReports: readonly {
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingConstructs: readonly { readonly constructPath: string }[];
    }[];
  }[];
}

const dir = mkdtempSync(path.join(tmpdir(), 'layermover-nag-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** What the rules find, as `rule: construct`. */
function findings(make: (stack: Stack) => void): string[] {
  const outdir = mkdtempSync(path.join(dir, 'out-'));
  const app = new App({ outdir });
  make(new Stack(app, 'Theirs'));
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  try {
    app.synth();
  } catch {
    // That something was found is in the report.
  }
  process.exitCode = 0;
  const report = JSON.parse(readFileSync(path.join(outdir, 'validation-report.json'), 'utf8')) as Report;
  return report.pluginReports.flatMap(({ violations }) =>
    violations.flatMap(({ ruleName, violatingConstructs }) =>
      violatingConstructs.map(({ constructPath }) => `${ruleName}: ${constructPath}`),
    ),
  );
}

it('the stack passes the AwsSolutions rules, each exception having its reason', () => {
  expect(findings((stack) => new LayerMover(stack, 'Mover', { bundles: stubBundles(dir) }))).toEqual([]);
});

it('a wildcard without a written reason does not pass, be it of an action or of a resource', () => {
  const bundles = stubBundles(mkdtempSync(path.join(dir, 'code-')));
  const found = findings((stack) => {
    const { tasks, layers } = new LayerMover(stack, 'Mover', { bundles }).controlPlane.functions;
    tasks.allow(['s3:Get*'], 'arn:aws:s3:::bucket/key');
    layers.allow(['s3:GetObject'], '*');
  });
  const wild = found.filter((each) => each.startsWith('AwsSolutions-IAM5'));
  expect(wild.map((each) => each.replace(/.*ControlPlane\/(\w+)\/.*/, '$1')).toSorted()).toEqual(['Layers', 'Tasks']);
  expect(found).toEqual(wild);
});

it('the rules are run: an open bucket does not pass', () => {
  expect(findings((stack) => new Bucket(stack, 'Open'))).toContain('AwsSolutions-S10: Theirs/Open/Resource');
});
