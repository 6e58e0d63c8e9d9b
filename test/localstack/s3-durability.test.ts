import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BUCKET as Bucket, type Credentials, type Fixture, newClient, signHeaders, startS3 } from './s3-fixture.ts';

let s3: Fixture;
beforeEach(async () => {
  s3 = await startS3();
});
afterEach(async () => {
  await s3[Symbol.asyncDispose]();
});

const staged = (dir = s3.dir) => readdirSync(join(dir, 'staging'));

async function read(client: S3Client, Key: string): Promise<Buffer | undefined> {
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  } catch (error) {
    if ((error as Error).name === 'NoSuchKey') return undefined;
    throw error;
  }
}

/** Polls for what another part of the process is about to bring about. */
async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setImmediate(resolve));
}

it('keeps objects, their metadata and their order over a restart', async () => {
  const body = randomBytes(3_000_000);
  for (const Key of ['b', 'a/1', 'a', 'ü/ö']) {
    await s3.client().send(new PutObjectCommand({ Bucket, Key, Body: body, Metadata: { key: encodeURI(Key) } }));
  }
  await s3.restart();
  const client = s3.client();
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
  expect(Contents.map(({ Key }) => Key)).toEqual(['a', 'a/1', 'b', 'ü/ö']);
  for (const { Key = '' } of Contents) {
    expect(body.equals((await read(client, Key)) ?? Buffer.alloc(0))).toBe(true);
    const { Metadata } = await client.send(new HeadObjectCommand({ Bucket, Key }));
    expect(Metadata).toEqual({ key: encodeURI(Key) });
  }
});

it('shows nothing of a PUT that is cut in the middle, and keeps what was there', async () => {
  const client = s3.client();
  await client.send(new PutObjectCommand({ Bucket, Key: 'old', Body: 'as it was' }));
  for (const key of ['new', 'old']) {
    const socket = connect(s3.port, '127.0.0.1');
    const headers = { 'content-length': '10000000' };
    const signed = await signHeaders(s3, { method: 'PUT', path: `/${Bucket}/${key}`, headers });
    const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`PUT /${Bucket}/${key} HTTP/1.1\r\n${lines.join('')}\r\n`);
    socket.write(randomBytes(5_000_000));
    await until(() => staged().length === 1);
    socket.destroy();
    await until(() => staged().length === 0);
  }
  expect(await read(client, 'new')).toBeUndefined();
  expect((await read(client, 'old'))?.toString()).toBe('as it was');
});

it('cuts what is under way when it closes, and leaves nothing of it', async () => {
  const socket = connect(s3.port, '127.0.0.1');
  const headers = { 'content-length': '10000000' };
  const signed = await signHeaders(s3, { method: 'PUT', path: `/${Bucket}/cut`, headers });
  const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => {});
  socket.write(`PUT /${Bucket}/cut HTTP/1.1\r\n${lines.join('')}\r\nsome bytes`);
  await until(() => staged().length === 1);
  await s3.restart();
  expect(staged()).toEqual([]);
  expect(await read(s3.client(), 'cut')).toBeUndefined();
});

it('sweeps what a crash left half written', async () => {
  writeFileSync(join(s3.dir, 'staging', 'left over'), 'half');
  await s3.restart();
  expect(staged()).toEqual([]);
});

it('takes an object file that was damaged for no object, so that it can be stored anew', async () => {
  const put = { Bucket, Key: 'cut', Body: 'x'.repeat(1_000) };
  await s3.client().send(new PutObjectCommand(put));
  const file = join(s3.dir, 'buckets', Bucket, 'cut.o');
  const bytes = readFileSync(file);
  const damaged = [
    bytes.subarray(0, -1),
    bytes.subarray(1),
    bytes.subarray(0, 10),
    Buffer.alloc(0),
    Buffer.concat([bytes, Buffer.alloc(1)]),
    Buffer.from(bytes.toString('latin1').replace('"size"', '"sixe"'), 'latin1'),
    Buffer.from(bytes.toString('latin1').replace('{"', '{{'), 'latin1'),
  ];
  for (const [at, content] of damaged.entries()) {
    writeFileSync(file, content);
    expect(await read(s3.client(), 'cut'), `damage ${at}`).toBeUndefined();
    const { Contents } = await s3.client().send(new ListObjectsV2Command({ Bucket, Prefix: 'cut' }));
    expect(Contents).toBeUndefined();
    await s3.client().send(new PutObjectCommand({ ...put, IfNoneMatch: '*' }));
    expect(await read(s3.client(), 'cut')).toHaveLength(1_000);
  }
});

it('has all that it acknowledged after kill -9, and nothing half', async () => {
  for (const acknowledgements of [1, 40]) {
    const dir = mkdtempSync(join(tmpdir(), 's3-test-'));
    const child = fork(join(import.meta.dirname, 's3-process.ts'), [dir]);
    const [{ port, root }] = (await once(child, 'message')) as [{ port: number; root: Credentials }];
    const client = newClient(port, root);
    const sent = new Map<string, Buffer>();
    const acknowledged: string[] = [];
    const write = async (writer: number) => {
      for (let at = 0; child.signalCode === null && !child.killed; at++) {
        const Key = `${writer}/${at % 7}/${at}`;
        const Body = randomBytes(writer === 0 ? 2_000_000 : 1_000);
        sent.set(Key, Body);
        await client.send(new PutObjectCommand({ Bucket, Key, Body }));
        acknowledged.push(Key);
        if (acknowledged.length === acknowledgements) child.kill('SIGKILL');
      }
    };
    await Promise.allSettled([0, 1, 2, 3].map(write));
    client.destroy();
    if (child.signalCode === null) await once(child, 'exit');
    await using after = await startS3(dir);
    expect(staged(dir)).toEqual([]);
    expect(acknowledged.length).toBeGreaterThanOrEqual(acknowledgements);
    for (const [key, body] of sent) {
      const found = await read(after.client(), key);
      if (found === undefined) expect(acknowledged).not.toContain(key);
      else expect(found.equals(body)).toBe(true);
    }
  }
});
