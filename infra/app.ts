import { rmSync } from 'node:fs';
import path from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { hasShippedBundles, shippedBundles } from './bundles.ts';
import { propsOf, readContext } from './context.ts';
import { LayerMover } from './layer-mover.ts';

/** The CDK app: running it writes the cloud assembly to CDK_OUTDIR, `cdk.out` unless the CDK's own command sets it. */
const outdir = path.resolve(process.env.CDK_OUTDIR ?? 'cdk.out');
const code = path.join(outdir, 'functions');

/** The same sources give the same assembly, byte by byte. */
const app = new App({
  outdir,
  analyticsReporting: false,
  treeMetadata: false,
  stackTraces: false,
  context: { '@aws-cdk/aws-iam:minimizePolicies': true },
});
const context = readContext(app);
const stack = new Stack(app, context['stack-name'] ?? 'LayerMover', {
  description: 'LayerMover: moves the storage of virtual machines between data centres',
});
const bundles = hasShippedBundles() ? shippedBundles() : (await import('./bundle.ts')).bundleFunctions(code);
new LayerMover(stack, 'LayerMover', { ...propsOf(stack, context), bundles });
app.synth();
// The assembly holds its own copy by now.
rmSync(code, { recursive: true, force: true });
