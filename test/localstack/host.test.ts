import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

/** The parts of LocalStack's host mode that need no LocalStack. */
const LOCALSTACK = path.resolve(import.meta.dirname, '../../localstack');
const RUNTIME = path.join(LOCALSTACK, 'host/plugin/layermover_localstack/runtime.mjs');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermover-host-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function call(file: string, words: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  try {
    const said = await promisify(execFile)(file, words, { env: { ...process.env, ...env }, timeout: 30_000 });
    return { code: 0, ...said };
  } catch (error) {
    return error as Outcome;
  }
}

describe('the runtime of functions', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** Starts the runtime over a module of that source; `next` is its next message, undefined if there is none to come. */
  async function start(source: string, handler = 'index.handler') {
    const root = await mkdtemp(path.join(folder, 'function-'));
    await writeFile(path.join(root, 'index.mjs'), source);
    const env = { LAMBDA_TASK_ROOT: root, _HANDLER: handler, AWS_LAMBDA_FUNCTION_NAME: 'mine' };
    const child = spawn(process.execPath, [RUNTIME, '3'], { env, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    children.push(child);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const socket = child.stdio[3] as Socket;
    socket.on('error', () => {}); // the runtime may go while it is told something
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    const next = async () => {
      const { value, done } = await lines.next();
      return done ? undefined : JSON.parse(value);
    };
    const send = (event: unknown) => {
      const told = { id: 'call-1', arn: 'arn:mine', event: JSON.stringify(event), deadlineMs: Date.now() + 5000 };
      socket.write(`${JSON.stringify(told)}\n`);
    };
    return { socket, next, send, ended };
  }

  it('answers one event after the other, and keeps what the module knows', async () => {
    const { next, send } = await start(`let calls = 0;
      export const handler = async (event, context) => ({
        calls: ++calls, event, name: context.functionName, id: context.awsRequestId,
        inTime: context.getRemainingTimeInMillis() > 0,
      });`);
    expect(await next()).toEqual({});
    for (const calls of [1, 2]) {
      send({ calls });
      const { result } = await next();
      expect(JSON.parse(result)).toEqual({ calls, event: { calls }, name: 'mine', id: 'call-1', inTime: true });
    }
  });

  it('carries six megabytes each way, and nothing as null', async () => {
    const { next, send } = await start('export const handler = async ({ text }) => text;');
    await next();
    const text = 'ü'.repeat(3 * 1024 * 1024);
    send({ text });
    expect(JSON.parse((await next()).result) === text).toBe(true);
    send({});
    expect(await next()).toEqual({ result: 'null' });
  });

  it('tells an error by its name, and goes on', async () => {
    const { next, send } = await start(`export const handler = async ({ bad }) => {
      if (bad) throw Object.assign(new Error('so it is'), { name: 'ABORTED' });
    };`);
    await next();
    send({ bad: true });
    expect(await next()).toMatchObject({ error: { errorType: 'ABORTED', errorMessage: 'so it is' } });
    send({});
    expect(await next()).toEqual({ result: 'null' });
  });

  it.each([
    ['throws while it loads', "throw new TypeError('no table');", 'index.handler', 'TypeError'],
    ['is not there', '', 'other.handler', 'Runtime.ImportModuleError'],
    ['has no such handler', 'export const handler = 1;', 'index.handler', 'Runtime.HandlerNotFound'],
  ])('ends with the reason if the module %s', async (_, source, handler, errorType) => {
    const { next, ended } = await start(source, handler);
    expect(await next()).toMatchObject({ error: { errorType } });
    expect(await ended).toBe(1);
  });

  it('ends when nobody catches an error', async () => {
    const { next, send, ended } = await start(`export const handler = () => new Promise(() => {
      Promise.reject(new Error('forgotten'));
    });`);
    await next();
    send({});
    expect(await next()).toMatchObject({ error: { errorType: 'Runtime.UnhandledPromiseRejection' } });
    expect(await ended).toBe(1);
  });

  it('ends with whoever asked', async () => {
    const { next, send, socket, ended } = await start('export const handler = () => new Promise(() => {});');
    await next();
    send({});
    socket.destroy();
    expect(await ended).toBe(0);
  });
});

describe('the scripts', () => {
  it.each([
    ['nothing', []],
    ['Node alone', ['node']],
  ])('skip with 77 on a machine that has %s, and say what it lacks', async (_, tools) => {
    const bin = path.join(folder, `bin-${tools.length}`);
    await mkdir(bin);
    for (const tool of ['bash', 'dirname', 'cat', 'sha256sum', 'awk', ...tools]) {
      const { stdout } = await call('which', [tool]);
      await symlink(stdout.trim(), path.join(bin, tool));
    }
    const home = path.join(folder, 'nowhere');
    const outcome = await call(path.join(bin, 'bash'), [path.join(LOCALSTACK, 'host/install.sh')], {
      PATH: bin,
      PYTHON: '',
      PYENV_ROOT: folder,
      LAYERMOVER_LOCALSTACK_HOME: home,
    });
    expect(outcome.stderr).toContain('Python 3.13');
    expect(outcome.code).toBe(77);
    await expect(readFile(home)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('end what does not run', async () => {
    const env = { LAYERMOVER_LOCALSTACK_DATA: path.join(folder, 'data'), LAYERMOVER_LOCALSTACK: 'host' };
    expect(await call(path.join(LOCALSTACK, 'down.sh'), [], env)).toMatchObject({ code: 0, stderr: '' });
  });

  it('connect by a path where the stack names a host that only LocalStack knows', async () => {
    const outputs = path.join(folder, 'outputs.json');
    const connect = () =>
      call(process.execPath, [path.join(LOCALSTACK, 'connect.ts'), outputs, 'http://127.0.0.1:4566']);
    const named = { BusName: 'bus', BucketName: 'bucket' };
    await writeFile(
      outputs,
      JSON.stringify({ Mine: { ApiUrl: 'https://ab12.execute-api.127.0.0.1:4566/v1/', ...named } }),
    );
    expect(JSON.parse((await connect()).stdout).api_url).toBe('http://127.0.0.1:4566/_aws/execute-api/ab12/v1');
    await writeFile(outputs, JSON.stringify({ Mine: { ApiUrl: 'https://example.org/', ...named } }));
    expect((await connect()).code).not.toBe(0);
  });

  it('pin LocalStack, and publish it on loopback alone', async () => {
    const compose = await readFile(path.join(LOCALSTACK, 'compose/docker-compose.yml'), 'utf8');
    expect(compose).toMatch(/image: localstack\/localstack:4\.14\.0$/m);
    const published = [...compose.matchAll(/^ +- '(.*:4566)'$/gm)].map((match) => match[1]);
    expect(published).toHaveLength(1);
    expect(published[0]).toMatch(/^127\.0\.0\.1:/);
    expect(await readFile(path.join(LOCALSTACK, 'host/requirements.txt'), 'utf8')).toMatch(
      /^localstack-core==4\.14\.0 /m,
    );
  });
});
