import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FUNCTIONS } from '../../functions/settings.ts';

/** The package as others get it, in a CDK app of theirs: outside this repository, without esbuild, without the network. */
const ROOT = path.resolve(import.meta.dirname, '../..');
const LEFT_OUT = ['.bin', '.package-lock.json', '.vite', '.vite-temp', 'esbuild', '@esbuild', 'layermover'];
const run = promisify(execFile);

let app: string;
const at = (...names: string[]) => path.join(app, ...names);
const node = (...words: string[]) => run(process.execPath, words, { cwd: app, timeout: 120_000 });

beforeAll(async () => {
  app = await mkdtemp(path.join(os.tmpdir(), 'layermover-package-'));
  await run(process.execPath, ['infra/build.ts'], { cwd: ROOT, timeout: 200_000 });
  await run('npm', ['pack', '--pack-destination', app], { cwd: ROOT, timeout: 60_000 });
  const tarball = (await readdir(app)).find((name) => name.endsWith('.tgz'))!;
  await mkdir(at('node_modules', 'layermover'), { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', 'node_modules/layermover', '--strip-components=1'], { cwd: app });
  for (const name of await readdir(path.join(ROOT, 'node_modules'))) {
    if (!LEFT_OUT.includes(name)) await symlink(path.join(ROOT, 'node_modules', name), at('node_modules', name));
  }
  await writeFile(at('package.json'), '{ "private": true, "type": "module" }');
});
afterAll(() => rm(app, { recursive: true, force: true }));

/** Resource types of a template, and how many of each. */
async function typesIn(outdir: string): Promise<Record<string, number>> {
  const template = JSON.parse(await readFile(at(outdir, 'Theirs.template.json'), 'utf8'));
  const found: Record<string, number> = {};
  for (const { Type } of Object.values<{ Type: string }>(template.Resources)) found[Type] = (found[Type] ?? 0) + 1;
  return found;
}

const JS = `
import { App, Stack } from 'aws-cdk-lib';
import { LayerMover } from 'layermover';
const app = new App({ outdir: 'js.out' });
new LayerMover(new Stack(app, 'Theirs'), 'Mover', { namespaces: ['team-a'] });
app.synth();`;

const CJS = `
const { App, Stack } = require('aws-cdk-lib');
const { LayerMover } = require('layermover');
const app = new App({ outdir: 'cjs.out' });
new LayerMover(new Stack(app, 'Theirs'), 'Mover');
app.synth();`;

const TS = `
import { App, Stack } from 'aws-cdk-lib';
import { Schedule } from 'aws-cdk-lib/aws-events';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { LayerMover, type LayerMoverProps, type ScheduledRequest } from 'layermover';
const stack = new Stack(new App(), 'Theirs');
const nightly: ScheduledRequest = {
  schedule: Schedule.cron({ hour: '2' }),
  evacuate: { from: 'a/h1', to: 'b/h2' },
};
const props: LayerMoverProps = { alarmTopic: new Topic(stack, 'OnCall'), memoryMib: { tasks: 1024 }, schedules: [nightly] };
const mover = new LayerMover(stack, 'Mover', props);
mover.controlPlane.functions.tasks.lambda.addEnvironment('THEIRS', mover.storage.bucket.bucketName);
// @ts-expect-error: it is a number
new LayerMover(stack, 'Wrong', { indexSampling: 'all' });
// @ts-expect-error: there is no such function
new LayerMover(stack, 'Wrong2', { memoryMib: { tusks: 1 } });`;

it.each([
  ['a module', 'app.mjs', JS, 'js.out'],
  ['CommonJS', 'app.cjs', CJS, 'cjs.out'],
])('%s synthesizes it from the bundles that came along', async (_, file, source, outdir) => {
  await writeFile(at(file), source);
  await node(file);
  const types = await typesIn(outdir);
  expect(types).toMatchObject({
    'AWS::Lambda::Function': FUNCTIONS.length,
    // Of migrations, and of garbage collection.
    'AWS::StepFunctions::StateMachine': 2,
    'AWS::S3::Bucket': 1,
    'AWS::ApiGateway::RestApi': 1,
  });
  const assets = (await readdir(at(outdir))).filter((name) => name.startsWith('asset.'));
  expect(assets).toHaveLength(FUNCTIONS.length);
  for (const asset of assets) expect(await readdir(at(outdir, asset))).toContain('index.mjs');
});

it('TypeScript knows its properties, libraries checked, too', async () => {
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    noEmit: true,
  };
  await writeFile(at('app.ts'), TS);
  await writeFile(at('tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }));
  await node(path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.').catch((error) => {
    throw new Error(error.stdout, { cause: error });
  });
});

it('the command runs from it', async () => {
  const { version } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  const command = at('node_modules/layermover/bin/layermover.js');
  expect((await node(command, '--version')).stdout.trim()).toBe(version);
  await mkdir(at('images'));
  const { stdout } = await node(command, 'doctor', '--images', at('images'), '--cloud', at('none'), '--json').catch(
    (error) => error,
  );
  expect(stdout).toContain('"message_type":"finding"');
});

it('holds nothing that is only ours', async () => {
  const names = await readdir(at('node_modules/layermover'), { recursive: true });
  for (const name of names) expect(name).not.toMatch(/(^|\/)(test|bench|\.ci)(\/|$)/);
  expect(names.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))).toEqual([]);
});
