import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FUNCTIONS } from '../../functions/settings.ts';
import { loadModel } from '../../localstack/assembly/load.ts';

/** What a deployment promises in figures. Each is printed: `npm run test:slow -- test/slow/numbers.test.ts`. */
const ROOT = path.resolve(import.meta.dirname, '../..');
const SYNTH_MS_MAX = 30_000;
const BUNDLE_BYTES_MAX = 3_000_000;
const INIT_MS_MAX = 400;
/** The best of so many tells the most of the code and the least of what else the machine does. */
const TRIES = 5;

const folder = mkdtempSync(path.join(os.tmpdir(), 'layermover-numbers-'));
const assembly = path.join(folder, 'cdk.out');
afterAll(() => rmSync(folder, { recursive: true }));

const tell = (what: string) => process.stderr.write(`${what}\n`);

it(`cdk synth takes ${SYNTH_MS_MAX / 1000} s at the most`, async () => {
  const cdk = path.join(ROOT, 'node_modules/.bin/cdk');
  const timed = 'TIMEFORMAT="%R %U %S"; time "$0" synth --quiet --output "$1"';
  const { stderr } = await promisify(execFile)('bash', ['-c', timed, cdk, assembly], { cwd: ROOT });
  const [real = 0, user = 0, system = 0] = stderr.trim().split('\n').at(-1)!.split(' ').map(Number);
  tell(`cdk synth: ${real} s, of which it computed ${(user + system).toFixed(1)} s`);
  const tookMs = 1000 * Math.min(real, user + system);
  expect(tookMs).toBeGreaterThan(0);
  expect(tookMs).toBeLessThan(SYNTH_MS_MAX);
});

describe.each(FUNCTIONS)('the function %s', (name) => {
  let code: string;
  let environment: Readonly<Record<string, string>>;
  beforeAll(() => {
    const found = loadModel(assembly).functions.find((fn) =>
      fn.name.includes(`${name[0]!.toUpperCase()}${name.slice(1)}`),
    )!;
    ({ codeDir: code, environment } = found);
  });

  it(`is ${BUNDLE_BYTES_MAX / 1e6} MB at the most, its source map included`, () => {
    const bytes = readdirSync(code).reduce((sum, file) => sum + statSync(path.join(code, file)).size, 0);
    tell(
      `${name}: ${(bytes / 1e6).toFixed(2)} MB, ${(statSync(path.join(code, 'index.mjs')).size / 1e6).toFixed(2)} MB of code`,
    );
    expect(bytes).toBeLessThanOrEqual(BUNDLE_BYTES_MAX);
  });

  it(`starts within ${INIT_MS_MAX} ms in a fresh process`, () => {
    const url = pathToFileURL(path.join(code, 'index.mjs')).href;
    // Of both clocks the smaller: on a busy machine the wall's runs on while the process waits for a processor.
    const script = `const [wall, processor] = [performance.now(), process.cpuUsage()];
      await import('${url}');
      const { user, system } = process.cpuUsage(processor);
      process.stdout.write(String(Math.min(performance.now() - wall, (user + system) / 1000)));
      process.exit();`;
    const env = { AWS_REGION: 'eu-central-1', ...environment };
    const once = () =>
      Number(execFileSync(process.execPath, ['--input-type=module', '--eval', script], { env, encoding: 'utf8' }));
    const times = Array.from({ length: TRIES }, once).toSorted((one, other) => one - other);
    tell(`${name}: init ${times[0]!.toFixed(0)} ms at best, ${times.at(-1)!.toFixed(0)} ms at worst`);
    expect(times[0]).toBeLessThanOrEqual(INIT_MS_MAX);
  });
});

it('the pages of the docs that have figures of costs hold the bounds', () => {
  const page = readFileSync(path.join(ROOT, 'docs/COST.md'), 'utf8');
  const [stack, host] = [...page.matchAll(/\| \*\*all\*\* \| \*\*([\d.]+)\*\* \|/g)].map(([, dollars]) =>
    Number(dollars),
  );
  tell(`idle: $${stack} a month, $${host} a host`);
  expect(stack).toBeLessThanOrEqual(8);
  expect(host).toBeLessThanOrEqual(1);
});
