import { rmSync } from 'node:fs';
import path from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { bundleFunctions } from './bundle.ts';
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
const stack = new Stack(app, 'LayerMover', {
  description: 'LayerMover: moves the storage of virtual machines between data centres',
});
new LayerMover(stack, 'LayerMover', {
  bundles: bundleFunctions(code),
  // `cdk deploy -c emulated-callers=true`, for emulators alone.
  emulatedCallers: app.node.tryGetContext('emulated-callers') === 'true',
});
app.synth();
// The assembly holds its own copy by now.
rmSync(code, { recursive: true });
