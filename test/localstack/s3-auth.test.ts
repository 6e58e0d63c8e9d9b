import { createHash } from 'node:crypto';
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { HttpRequest } from '@smithy/protocol-http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  BUCKET,
  credentialsOf,
  exchange,
  type Fixture,
  REGION,
  sendBytes,
  signerOf,
  signHeaders,
  startS3,
} from './s3-fixture.ts';

const ARN = 'arn:aws:iam::000000000000:role/host';
let s3: Fixture;
beforeAll(async () => {
  s3 = await startS3();
  await s3.client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'ns/a/1', Body: 'one' }));
  await s3.client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'secret', Body: 'two' }));
});
afterEach(() => {
  s3.clock.offsetMs = 0;
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
});

const get = (Key: string, config?: S3ClientConfig) =>
  s3.client(config).send(new GetObjectCommand({ Bucket: BUCKET, Key }));
const put = (Key: string, config?: S3ClientConfig, more: object = {}) =>
  s3.client(config).send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'x', ...more }));
const codeOf = (answer: string) => /<Code>(\w+)<\/Code>/.exec(answer)?.[1];

describe('who is refused', () => {
  it('a wrong secret, an unknown key', async () => {
    const { accessKeyId, secretAccessKey } = s3.root;
    const wrongSecret = { credentials: { accessKeyId, secretAccessKey: `${secretAccessKey}x` } };
    const unknown = { credentials: { accessKeyId: 'AKIAAAAAAAAAAAAAAAAA', secretAccessKey } };
    for (const call of [get, put]) {
      await expect(call('secret', wrongSecret)).rejects.toMatchObject({
        name: 'SignatureDoesNotMatch',
        $metadata: { httpStatusCode: 403 },
      });
      await expect(call('secret', unknown)).rejects.toMatchObject({ name: 'InvalidAccessKeyId' });
    }
  });

  it('the wrong region', async () => {
    await expect(get('secret', { region: 'us-west-2' })).rejects.toMatchObject({
      name: 'AuthorizationHeaderMalformed',
      message: expect.stringContaining(`expecting '${REGION}'`),
    });
  });

  it('a clock 16 minutes off, either way', async () => {
    const headers = await signHeaders(s3, { method: 'GET', path: `/${BUCKET}/secret` });
    for (const minutes of [16, -16]) {
      s3.clock.offsetMs = minutes * 60_000;
      expect(codeOf(await send(headers))).toBe('RequestTimeTooSkewed');
    }
    s3.clock.offsetMs = 14 * 60_000;
    expect(await send(headers)).toContain('two');
  });

  it('no signature at all', async () => {
    const answer = await sendBytes(s3.port, `GET /${BUCKET}/secret HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect(codeOf(answer)).toBe('AccessDenied');
  });

  it('a header altered, added or not signed after signing', async () => {
    const path = `/${BUCKET}/altered`;
    const signed = await signHeaders(s3, {
      method: 'PUT',
      path,
      headers: { 'x-amz-meta-a': '1', 'content-length': '0' },
    });
    expect(codeOf(await send({ ...signed, 'x-amz-meta-a': '2' }, 'PUT', path))).toBe('SignatureDoesNotMatch');
    expect(codeOf(await send({ ...signed, 'x-amz-meta-b': '2' }, 'PUT', path))).toBe('AccessDenied');
    expect(codeOf(await send({ ...signed, host: 'elsewhere' }, 'PUT', path))).toBe('SignatureDoesNotMatch');
    expect(codeOf(await send(signed, 'PUT', `${path}2`))).toBe('SignatureDoesNotMatch');
    expect(codeOf(await send(signed, 'PUT', `${path}?x-id=PutObject`))).toBe('SignatureDoesNotMatch');
    expect(codeOf(await send(signed, 'DELETE', path))).toBe('SignatureDoesNotMatch');
    await expect(s3.client().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'altered' }))).rejects.toThrow();
    expect(await send(signed, 'PUT', path)).toMatch(/^HTTP\/1.1 200 /);
  });

  it('a body other than the signed one', async () => {
    const request = { method: 'PUT', path: `/${BUCKET}/swapped`, headers: { 'content-length': '3' } };
    const payloadHash = createHash('sha256').update('one').digest('hex');
    expect(codeOf(await exchange(s3, { ...request, payloadHash }, 'two'))).toBe('XAmzContentSHA256Mismatch');
    expect(await exchange(s3, { ...request, payloadHash }, 'one')).toMatch(/^HTTP\/1.1 200 /);
    const streaming = { ...request, payloadHash: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' };
    expect(codeOf(await exchange(s3, streaming, 'one'))).toBe('NotImplemented');
  });

  /** Sends headers that were signed before, as they are. */
  function send(headers: Record<string, string>, method = 'GET', path = `/${BUCKET}/secret`): Promise<string> {
    const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
    return sendBytes(s3.port, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  }
});

describe('sessions', () => {
  it('end', async () => {
    const session = s3.keys.issue({ arn: ARN, ttlSeconds: 900 });
    const config = { credentials: credentialsOf(session) };
    await get('secret', config);
    s3.clock.offsetMs = 901_000;
    const late = { ...config, systemClockOffset: 901_000 };
    await expect(get('secret', late)).rejects.toMatchObject({
      name: 'ExpiredToken',
      $metadata: { httpStatusCode: 400 },
    });
  });

  it('need their own token', async () => {
    const { accessKeyId, secretAccessKey } = s3.keys.issue({ arn: ARN, ttlSeconds: 900 });
    const { sessionToken = '' } = s3.keys.issue({ arn: ARN, ttlSeconds: 900 });
    for (const credentials of [
      { accessKeyId, secretAccessKey },
      { accessKeyId, secretAccessKey, sessionToken },
      { ...credentialsOf(s3.root), sessionToken },
    ]) {
      await expect(get('secret', { credentials })).rejects.toMatchObject({ name: 'InvalidToken' });
    }
  });
});

describe('a session policy', () => {
  const inBucket = `arn:aws:s3:::${BUCKET}`;
  const policy = {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 's3:GetObject', Resource: [`${inBucket}/ns/a/*`, `${inBucket}/public/*`] },
      {
        Effect: 'Allow',
        Action: ['s3:PutObject'],
        Resource: `${inBucket}/ns/a/*`,
        Condition: { StringEquals: { 's3:if-none-match': '*' } },
      },
      {
        Effect: 'Allow',
        Action: 's3:ListBucket',
        Resource: inBucket,
        Condition: { StringLike: { 's3:prefix': 'ns/a/*' } },
      },
      { Effect: 'Deny', Action: 's3:*', Resource: `${inBucket}/ns/a/closed/*` },
    ],
  };
  const denied = { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } };
  const IfNoneMatch = '*';
  let host: S3ClientConfig;
  beforeAll(() => {
    host = { credentials: credentialsOf(s3.keys.issue({ arn: ARN, policy, ttlSeconds: 900 })) };
  });

  it('confines reading to its prefixes, and hides what is missing', async () => {
    expect(await (await get('ns/a/1', host)).Body?.transformToString()).toBe('one');
    for (const key of ['secret', 'ns/b/1', 'ns/a', 'public', 'ns/a/closed/1', 'ns/a/missing']) {
      await expect(get(key, host)).rejects.toMatchObject(denied);
    }
  });

  it('takes a key for its bytes: dots lead nowhere', async () => {
    await put('ns/a/../../secret', host, { IfNoneMatch });
    expect(await (await get('ns/a/../../secret', host)).Body?.transformToString()).toBe('x');
    expect(await (await get('secret')).Body?.transformToString()).toBe('two');
  });

  it('permits only new objects below the prefix', async () => {
    await put('ns/a/new', host, { IfNoneMatch });
    await expect(put('ns/a/new', host, { IfNoneMatch })).rejects.toMatchObject({ name: 'PreconditionFailed' });
    await expect(put('ns/a/new', host)).rejects.toMatchObject(denied);
    await expect(put('ns/a/new2', host)).rejects.toMatchObject(denied);
    await expect(put('ns/b/new', host, { IfNoneMatch })).rejects.toMatchObject(denied);
    await expect(put('ns/a/closed/new', host, { IfNoneMatch })).rejects.toMatchObject(denied);
  });

  it('permits listing by its prefix alone', async () => {
    const list = (Prefix?: string) =>
      s3.client(host).send(new ListObjectsV2Command({ Bucket: BUCKET, ...(Prefix === undefined ? {} : { Prefix }) }));
    expect((await list('ns/a/')).Contents?.map(({ Key }) => Key)).toContain('ns/a/1');
    for (const prefix of [undefined, '', 'ns/', 'ns/b/']) await expect(list(prefix)).rejects.toMatchObject(denied);
  });

  it('decides each key of DeleteObjects', async () => {
    const Delete = { Objects: [{ Key: 'ns/a/1' }, { Key: 'secret' }] };
    const answer = await s3.client(host).send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete }));
    expect(answer.Errors?.map(({ Key, Code }) => [Key, Code])).toEqual([
      ['ns/a/1', 'AccessDenied'],
      ['secret', 'AccessDenied'],
    ]);
    expect(await (await get('ns/a/1')).Body?.transformToString()).toBe('one');
  });

  it('is checked before the body is asked for', async () => {
    const key = s3.keys.issue({ arn: ARN, policy, ttlSeconds: 900 });
    const headers = { 'content-length': '1000000', expect: '100-continue' };
    const answer = await exchange(s3, { method: 'PUT', path: `/${BUCKET}/ns/a/big`, headers, key });
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
  });
});

describe('presigned URLs', () => {
  const presign = async (method: string, key: string, expiresIn = 60) => {
    const headers = { host: `127.0.0.1:${s3.port}`, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
    const request = new HttpRequest({ method, path: `/${BUCKET}/${key}`, headers });
    const unhoistableHeaders = new Set(['x-amz-content-sha256']);
    const { query } = await signerOf(s3.root).presign(request, { expiresIn, unhoistableHeaders });
    const url = `http://127.0.0.1:${s3.port}/${BUCKET}/${key}?${new URLSearchParams(query as Record<string, string>)}`;
    const init = { method, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } };
    return { url, init };
  };

  it('carry an upload and a download', async () => {
    const upload = await presign('PUT', 'presigned');
    expect((await fetch(upload.url, { ...upload.init, body: 'by url' })).status).toBe(200);
    const download = await presign('GET', 'presigned');
    expect(await (await fetch(download.url, download.init)).text()).toBe('by url');
  });

  it('expire, and serve nothing else', async () => {
    const { url, init } = await presign('GET', 'secret');
    const refusal = async (changed: string) => codeOf(await (await fetch(changed, init)).text());
    expect(await refusal(url.replace('secret', 'ns/a/1'))).toBe('SignatureDoesNotMatch');
    expect(await refusal(url.replace('Expires=60', 'Expires=61'))).toBe('SignatureDoesNotMatch');
    expect(await refusal(url.replace('Expires=60', 'Expires=604801'))).toBe('AuthorizationQueryParametersError');
    s3.clock.offsetMs = 62_000;
    expect(await refusal(url)).toBe('AccessDenied');
  });
});
