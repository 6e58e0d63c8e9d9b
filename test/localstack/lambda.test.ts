import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { FunctionModel } from '../../localstack/assembly/model.ts';
import { systemClock } from '../../localstack/clock.ts';
import { createLambda, type Lambda } from '../../localstack/lambda/lambda.ts';
import { openLog } from '../../localstack/lambda/log.ts';
import { invokeForStates } from '../../localstack/lambda/states-port.ts';
import { limits } from '../../localstack/limits.ts';

const dir = mkdtempSync(join(tmpdir(), 'cloud-lambda-'));
let lambda: Lambda | undefined;
let made = 0;

afterEach(async () => {
  await lambda?.stop();
  lambda = undefined;
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A Lambda with one function `f` of this source. */
function serve(source: string, settings: Partial<FunctionModel> & { file?: string } = {}): Lambda {
  const { file = 'index.mjs', ...overrides } = settings;
  const codeDir = join(dir, `code-${made++}`);
  mkdirSync(codeDir);
  writeFileSync(join(codeDir, file), source);
  const fn: FunctionModel = {
    name: 'f',
    arn: 'arn:aws:lambda:us-east-1:000000000000:function:f',
    codeDir,
    handler: 'index.handler',
    timeoutSeconds: 5,
    memoryMib: 128,
    concurrency: undefined,
    environment: { COLOUR: 'red' },
    roleArn: 'arn:aws:iam::000000000000:role/r',
    ...overrides,
  };
  lambda = createLambda({
    functions: [fn],
    clock: systemClock,
    logDir: join(dir, 'logs'),
    variablesOf: () => ({ AWS_REGION: 'us-east-1' }),
  });
  return lambda;
}

async function invoke(event: unknown = {}): Promise<{ functionError: string | undefined; result: unknown }> {
  const { payload, functionError } = await lambda!.invoke('f', JSON.stringify(event));
  return { functionError, result: JSON.parse(payload) };
}

describe('a function', () => {
  it('gets its event, its context and an environment of its own', async () => {
    serve(`export const handler = async (event, context) => ({
      event, env: process.env, name: context.functionName, remaining: context.getRemainingTimeInMillis(),
    });`);
    const { result } = await invoke({ a: [1] });
    expect(result).toMatchObject({ event: { a: [1] }, name: 'f' });
    expect((result as { env: object }).env).toEqual({ COLOUR: 'red', AWS_REGION: 'us-east-1' });
    expect((result as { remaining: number }).remaining).toBeGreaterThan(4000);
    expect((result as { remaining: number }).remaining).toBeLessThanOrEqual(5000);
  });

  it('may be CommonJS, though a package of modules lies above it', async () => {
    writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
    serve('const { sep } = require("node:path"); exports.handler = async () => sep;', { file: 'index.js' });
    expect(await invoke()).toEqual({ functionError: undefined, result: '/' });
  });

  it('that returns nothing answers null', async () => {
    serve('export const handler = async () => {};');
    expect(await invoke()).toEqual({ functionError: undefined, result: null });
  });

  it('keeps what it holds between invocations', async () => {
    serve('let calls = 0; export const handler = async () => ++calls;');
    expect((await invoke()).result).toBe(1);
    expect((await invoke()).result).toBe(2);
  });

  it('that throws fails with its error and goes on', async () => {
    serve(`export const handler = async ({ fail }) => { if (fail) throw new RangeError('too far'); return 'fine'; };`);
    const { functionError, result } = await invoke({ fail: true });
    expect(functionError).toBe('Unhandled');
    expect(result).toMatchObject({ errorType: 'RangeError', errorMessage: 'too far' });
    expect((result as { trace: string[] }).trace[0]).toBe('RangeError: too far');
    expect((await invoke()).result).toBe('fine');
  });

  it.each([
    ['index.nothing', 'Runtime.HandlerNotFound'],
    ['absent.handler', 'Runtime.ImportModuleError'],
  ])('whose handler is %s cannot be loaded', async (handler, errorType) => {
    serve('export const handler = async () => 1;', { handler });
    expect((await invoke()).result).toMatchObject({ errorType });
  });
});

describe('an execution environment is ended', () => {
  const source = `let calls = 0;
    const acts = {
      sleep: () => new Promise((resolve) => setTimeout(resolve, 60_000)),
      spin: () => { for (;;); },
      exit: () => process.exit(3),
      crash: () => new Promise(() => setTimeout(() => { throw new TypeError('out of the blue'); }, 1)),
      hoard: () => { const kept = []; for (;;) kept.push(new Array(100_000).fill(kept.length)); },
    };
    export const handler = async ({ act }) => { calls++; return act ? acts[act]() : calls; };`;

  it.each([
    ['sleep', 0.5, 'Sandbox.Timedout', /^RequestId: [-0-9a-f]{36} Error: Task timed out after 0.50 seconds$/],
    ['spin', 0.5, 'Sandbox.Timedout', /Task timed out/],
    ['exit', 5, 'Runtime.ExitError', /^RequestId: [-0-9a-f]{36} Error: Runtime exited with error: exit status 3$/],
    ['crash', 5, 'TypeError', /^out of the blue$/],
    ['hoard', 20, 'Runtime.ExitError', /signal: killed$/],
  ])(
    'by a handler that would %s, and the next invocation gets a new one',
    async (act, timeoutSeconds, errorType, message) => {
      serve(source, { timeoutSeconds });
      const { functionError, result } = await invoke({ act });
      expect(functionError).toBe('Unhandled');
      expect(result).toMatchObject({ errorType, errorMessage: expect.stringMatching(message) });
      expect((await invoke()).result).toBe(1);
    },
  );

  it('when the cloud stops, in the middle of a call', async () => {
    serve(source);
    const call = invoke({ act: 'spin' });
    const settled = call.then(({ result }) => result);
    await lambda!.invoke('f', '{}');
    const start = performance.now();
    await lambda!.stop();
    expect(performance.now() - start).toBeLessThan(1000);
    expect(await settled).toMatchObject({ errorType: 'Runtime.ExitError' });
    await expect(lambda!.invoke('f', '{}')).rejects.toMatchObject({ code: 'ServiceException' });
  });
});

describe('calls at the same time', () => {
  const busy = `let running = 0;
    export const handler = async () => {
      running++;
      const seen = running;
      await new Promise((resolve) => setTimeout(resolve, 50));
      running--;
      return seen;
    };`;

  it('never share an environment', async () => {
    serve(busy);
    const results = await Promise.all(Array.from({ length: 12 }, () => invoke()));
    expect(results.map(({ result }) => result)).toEqual(Array(12).fill(1));
  });

  it('wait for the environments that are reserved, up to a bound', async () => {
    serve(busy, { concurrency: 1, timeoutSeconds: 30 });
    const calls = Array.from({ length: limits.queue_calls_max + 20 }, () =>
      lambda!.invoke('f', '{}').then(
        () => 'served',
        (error: { code: string; status: number }) => `${error.code} ${error.status}`,
      ),
    );
    const first = await Promise.race(calls.slice(-1));
    expect(first).toBe('TooManyRequestsException 429');
    await lambda!.stop();
    const ends = await Promise.all(calls);
    expect(ends.filter((end) => end.startsWith('TooMany'))).toHaveLength(20);
  });
});

describe('payloads', () => {
  const echo = 'export const handler = async ({ bytes }) => "x".repeat(bytes);';

  it('over 6 MB are refused on the way in', async () => {
    serve(echo);
    const event = JSON.stringify('x'.repeat(limits.lambda_payload_bytes_max));
    await expect(lambda!.invoke('f', event)).rejects.toMatchObject({
      code: 'RequestEntityTooLargeException',
      status: 413,
    });
  });

  it('over 6 MB fail the function on the way out, up to it they pass', async () => {
    serve(echo);
    const { result } = await invoke({ bytes: limits.lambda_payload_bytes_max });
    expect(result).toMatchObject({ errorType: 'Function.ResponseSizeTooLarge' });
    expect((await invoke({ bytes: limits.lambda_payload_bytes_max - 2 })).functionError).toBeUndefined();
  });
});

it('a function is found by name, ARN and qualified ARN, and nothing else is', async () => {
  serve('export const handler = async () => 7;');
  const arn = 'arn:aws:lambda:us-east-1:000000000000:function:f';
  for (const name of ['f', arn, `${arn}:$LATEST`]) expect(await lambda!.invoke(name, '{}')).toEqual({ payload: '7' });
  await expect(lambda!.invoke('g', '{}')).rejects.toMatchObject({ code: 'ResourceNotFoundException', status: 404 });
});

it('the workflow engine sees results, function errors and refusals by their names', async () => {
  serve(
    `export const handler = async ({ fail }) => { if (fail) throw new RangeError('too far'); return { fine: 1 }; };`,
  );
  const port = invokeForStates(lambda!);
  const { signal } = new AbortController();
  expect(await port('f', {}, signal)).toEqual({ payload: { fine: 1 } });
  expect(await port('f', { fail: true }, signal)).toMatchObject({ error: { errorType: 'RangeError' } });
  expect(await port('g', {}, signal)).toMatchObject({ error: { errorType: 'Lambda.ResourceNotFoundException' } });
});

describe('a log', () => {
  it('takes what a function prints', async () => {
    serve(`export const handler = async () => { console.log('printed'); console.error('shouted'); };`);
    await invoke();
    await lambda!.stop();
    const text = readFileSync(join(dir, 'logs', 'f.log'), 'utf8');
    expect(text).toMatch(/^printed$/m);
    expect(text).toMatch(/^shouted$/m);
  });

  it('never outgrows twice its bound', () => {
    const path = join(dir, 'rotated', 'f.log');
    const log = openLog(path);
    for (let i = 0; i < 10; i++) log.write(Buffer.alloc(limits.function_log_bytes / 2 + 1, String(i)));
    log.close();
    expect(readdirSync(join(dir, 'rotated')).sort()).toEqual(['f.log', 'f.log.1']);
    for (const name of ['f.log', 'f.log.1']) {
      expect(statSync(join(dir, 'rotated', name)).size).toBeLessThanOrEqual(limits.function_log_bytes);
    }
    expect(readFileSync(path, 'latin1')[0]).toBe('9');
  });
});
