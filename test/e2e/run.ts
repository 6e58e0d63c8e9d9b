import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { cloudFile } from '../../bin/connection.ts';
import { removeLeftovers } from './leftovers.ts';

/**
 * `npm run e2e`: the end-to-end suite on the cloud that LAYERMOVER_CLOUD names, without it on an embedded one; with
 * `--stack NAME` on a deployed stack, from which all that it made is removed at the end. Other words go to vitest.
 */
const ROOT = path.resolve(import.meta.dirname, '../..');
const { values, positionals } = parseArgs({
  options: { stack: { type: 'string' }, region: { type: 'string' } },
  allowPositionals: true,
});

function run(command: string, words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  const child = spawn(process.execPath, [path.join(ROOT, command), ...words], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

const suite = (env?: Readonly<Record<string, string>>) =>
  run('node_modules/vitest/vitest.mjs', ['run', '--config', 'test/e2e/vitest.config.ts', ...positionals], env);

async function onStack(stack: string): Promise<number> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'layermover-stack-'));
  const cloud = path.join(folder, 'cloud.json');
  const prefix = `e2e-${randomBytes(3).toString('hex')}-`;
  const region = values.region === undefined ? [] : ['--region', values.region];
  try {
    const connected = await run('bin/layermover.js', ['cloud', 'connect', '--stack', stack, '--out', cloud, ...region]);
    if (connected !== 0) return connected;
    try {
      return await suite({ LAYERMOVER_CLOUD: cloud, LAYERMOVER_E2E_PREFIX: prefix });
    } finally {
      const told = cloudFile.parse(JSON.parse(await readFile(cloud, 'utf8')));
      const removed = await removeLeftovers(stack, prefix, told, values.region);
      process.stderr.write(`removed from ${stack}: ${removed.objects} objects, ${removed.items} items of ${prefix}*\n`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

process.exitCode = values.stack === undefined ? await suite() : await onStack(values.stack);
