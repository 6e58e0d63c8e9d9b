import { appendFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { MockIntegration } from 'aws-cdk-lib/aws-apigateway';
import { bundleFunctions } from '../../../../infra/bundle.ts';
import { propsOf, readContext } from '../../../../infra/context.ts';
import { LayerMover } from '../../../../infra/layer-mover.ts';

/**
 * A CDK app that is the deployed one's next version: every function's code is new, the API has a route more, settings differ; what
 * the context says comes on top.
 */
const outdir = path.resolve(process.env.CDK_OUTDIR ?? 'cdk.out');
const code = path.join(outdir, 'functions');

const app = new App({ outdir, analyticsReporting: false, context: { '@aws-cdk/aws-iam:minimizePolicies': true } });
const stack = new Stack(app, 'LayerMover', { description: 'LayerMover: the next version' });
const bundles = bundleFunctions(code);
for (const bundle of Object.values(bundles)) appendFileSync(path.join(bundle, 'index.mjs'), '\n// The next version.\n');
const mover = new LayerMover(stack, 'LayerMover', {
  ...propsOf(stack, readContext(app)),
  bundles,
  emulatedCallers: true,
  indexSampling: 4,
  dollarsPerHourMax: 9,
});
const answer = { statusCode: '200' };
const mock = new MockIntegration({
  requestTemplates: { 'application/json': '{"statusCode":200}' },
  integrationResponses: [answer],
});
mover.controlPlane.api.root.addResource('next').addMethod('GET', mock, { methodResponses: [answer] });
app.synth();
rmSync(code, { recursive: true });
