import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';

/** A second LocalStack without Docker, beside the one under test: where it listens, and that nothing of it is left. */
const LOCALSTACK = path.resolve(import.meta.dirname, '../../../localstack');
const LEFT_MS_MAX = 10_000;

const data = path.join(tmpdir(), `layermover-processes-${process.pid}`);
let port: number;

async function script(name: 'up' | 'down') {
  const env = {
    ...process.env,
    LAYERMOVER_LOCALSTACK: 'host',
    LAYERMOVER_LOCALSTACK_DATA: data,
    LAYERMOVER_LOCALSTACK_PORT: String(port),
  };
  return promisify(execFile)(path.join(LOCALSTACK, `${name}.sh`), { env, timeout: 150_000 });
}
afterEach(() => script('down'));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Processes whose environment names the data folder: LocalStack hands it down. */
async function processes(): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const environments = await Promise.all(ids.map((id) => readFile(`/proc/${id}/environ`, 'latin1').catch(() => '')));
  return ids.filter((_, at) => environments[at]!.includes(`TMPDIR=${data}/`));
}

/** Local addresses, as /proc writes them, on which the processes listen. */
async function listening(ids: readonly string[]): Promise<string[]> {
  const open = new Set<string>();
  for (const id of ids) {
    for (const fd of await readdir(`/proc/${id}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/${id}/fd/${fd}`).catch(() => ''))?.[1];
      if (inode !== undefined) open.add(inode);
    }
  }
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')));
  const rows = tables.flatMap((table) => table.trim().split('\n').slice(1)).map((row) => row.trim().split(/\s+/));
  return rows.filter((row) => row[3] === '0A' && open.has(row[9]!)).map((row) => row[1]!.split(':')[0]!);
}

it('listens on loopback alone, and takes functions and DynamoDB along when it ends', async () => {
  port = await freePort();
  await script('up');
  const headers = {
    'x-amz-target': 'DynamoDB_20120810.ListTables',
    'content-type': 'application/x-amz-json-1.0',
    authorization:
      'AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
  };
  const answer = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', headers, body: '{}' });
  expect(await answer.json()).toEqual({ TableNames: [] });
  const running = await processes();
  expect(running.length).toBeGreaterThanOrEqual(2);
  const addresses = await listening(running);
  expect(addresses.length).toBeGreaterThanOrEqual(2);
  for (const address of addresses) expect(address).toMatch(/^(0{16}FFFF0000)?0100007F$/);

  await script('down');
  const end = performance.now() + LEFT_MS_MAX;
  while ((await processes()).length > 0 && performance.now() < end) await sleep(100);
  expect(await processes()).toEqual([]);
});

it('does not take another’s port for its own', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  port = (other.address() as { port: number }).port;
  await expect(script('up')).rejects.toMatchObject({ stderr: expect.stringContaining('did not start') });
  expect(await processes()).toEqual([]);
  other.close();
});
