import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** The scripts of MiniStack, without MiniStack. */
const MINISTACK = path.resolve(import.meta.dirname, '../../localstack/ministack');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermover-ministack-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function call(file: string, words: readonly string[], env: Record<string, string> = {}) {
  const settings = {
    LAYERMOVER_MINISTACK_HOME: path.join(folder, 'home'),
    LAYERMOVER_MINISTACK_DATA: path.join(folder, 'data'),
  };
  try {
    const said = await promisify(execFile)(file, words, {
      env: { ...process.env, ...settings, ...env },
      timeout: 30_000,
    });
    return { code: 0, ...said };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

it('skip with 77 where there is no Python, say so and change nothing', async () => {
  const outcome = await call(path.join(MINISTACK, 'install.sh'), [], { PYTHON: '/nowhere/python3' });
  expect(outcome.code).toBe(77);
  expect(outcome.stderr).toContain('Python 3.10');
  await expect(readFile(path.join(folder, 'home'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('end what does not run, and deploy on nothing', async () => {
  expect(await call(path.join(MINISTACK, 'down.sh'), [])).toMatchObject({ code: 0, stderr: '' });
  const deployed = await call(path.join(MINISTACK, 'deploy.sh'), []);
  expect(deployed.code).toBe(1);
  expect(deployed.stderr).toContain('up.sh');
});

it('connect by a path where the stack has the URL that it has on AWS, with the keys of the environment', async () => {
  const outputs = path.join(folder, 'outputs.json');
  const connect = () =>
    call(process.execPath, [path.join(MINISTACK, 'connect.ts'), outputs, 'http://127.0.0.1:1'], {
      AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
    });
  await writeFile(
    outputs,
    JSON.stringify({ Mine: { ApiUrl: 'https://ab12.execute-api.us-east-1.amazonaws.com/v1/' } }),
  );
  expect(JSON.parse((await connect()).stdout)).toEqual({
    api_url: 'http://127.0.0.1:1/_aws/execute-api/ab12/v1',
    region: 'us-east-1',
    credentials: { access_key_id: 'AKIAEXAMPLE', secret_access_key: 'secret' },
  });
  await writeFile(outputs, JSON.stringify({ Mine: { ApiUrl: 'https://example.org/' } }));
  expect((await connect()).code).not.toBe(0);
});

it('pin MiniStack, listen on loopback alone and enforce IAM', async () => {
  expect(await readFile(path.join(MINISTACK, 'requirements.txt'), 'utf8')).toMatch(/^ministack==1\.5\.33 /m);
  const up = await readFile(path.join(MINISTACK, 'up.sh'), 'utf8');
  for (const setting of ['AUTH=true', 'BIND_HOST=127.0.0.1']) expect(up).toContain(` ${setting} `);
});
