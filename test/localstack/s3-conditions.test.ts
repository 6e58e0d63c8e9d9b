import { randomBytes } from 'node:crypto';
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUCKET as Bucket, exchange, type Fixture, startS3 } from './s3-fixture.ts';

let s3: Fixture;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
});

const put = (Key: string, Body: string | Buffer, conditions: { IfNoneMatch?: string; IfMatch?: string } = {}) =>
  s3.client().send(new PutObjectCommand({ Bucket, Key, Body, ...conditions }));
const get = async (Key: string, conditions: { IfNoneMatch?: string; IfMatch?: string } = {}) => {
  const answer = await s3.client().send(new GetObjectCommand({ Bucket, Key, ...conditions }));
  return answer.Body?.transformToString();
};
const failed = { name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } };

it('lets exactly one of 20 concurrent writers with If-None-Match win', async () => {
  for (const size of [10, 100_000, 3_000_000]) {
    const Key = `race/${size}`;
    const bodies = Array.from({ length: 20 }, () => randomBytes(size));
    const results = await Promise.allSettled(bodies.map((body) => put(Key, body, { IfNoneMatch: '*' })));
    const won = results.flatMap(({ status }, at) => (status === 'fulfilled' ? [at] : []));
    expect(won).toHaveLength(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject(failed);
    const answer = await s3.client().send(new GetObjectCommand({ Bucket, Key }));
    expect(bodies[won[0] ?? -1]?.equals((await answer.Body?.transformToByteArray()) ?? new Uint8Array())).toBe(true);
  }
});

it('lets exactly one of 20 concurrent writers replace what they read', async () => {
  const { ETag = '' } = await put('counter', '0');
  const writes = Array.from({ length: 20 }, (_, at) => put('counter', `${at + 1}`, { IfMatch: ETag }));
  const results = await Promise.allSettled(writes);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

it('refuses If-Match where there is nothing, and an ETag in If-None-Match of a write', async () => {
  await expect(put('nothing', 'x', { IfMatch: '"abc"' })).rejects.toMatchObject({ name: 'NoSuchKey' });
  await expect(put('nothing', 'x', { IfNoneMatch: '"abc"' })).rejects.toMatchObject({ name: 'NotImplemented' });
});

it('reads on condition', async () => {
  const { ETag = '' } = await put('read', 'text');
  expect(await get('read', { IfMatch: ETag })).toBe('text');
  expect(await get('read', { IfNoneMatch: '"other"' })).toBe('text');
  await expect(get('read', { IfMatch: '"other"' })).rejects.toMatchObject(failed);
  await expect(get('read', { IfNoneMatch: ETag })).rejects.toMatchObject({ $metadata: { httpStatusCode: 304 } });
});

it('refuses conditions that it does not heed', async () => {
  await put('kept', 'x');
  const remove = new DeleteObjectCommand({ Bucket, Key: 'kept', IfMatch: '"other"' });
  await expect(s3.client().send(remove)).rejects.toMatchObject({ name: 'NotImplemented' });
  expect(await get('kept')).toBe('x');
});

it('refuses before it asks for the body of a request with Expect: 100-continue', async () => {
  await put('there', 'x');
  const headers = { 'content-length': '5368709120', expect: '100-continue', 'if-none-match': '*' };
  const there = await exchange(s3, { method: 'PUT', path: `/${Bucket}/there`, headers });
  expect(there).toMatch(/^HTTP\/1.1 412 /);
  const tooLarge = { 'content-length': '5368709121', expect: '100-continue' };
  expect(await exchange(s3, { method: 'PUT', path: `/${Bucket}/new`, headers: tooLarge })).toMatch(
    /^HTTP\/1.1 400 .*<Code>EntityTooLarge</s,
  );
  const wanted = { 'content-length': '2', expect: '100-continue' };
  expect(await exchange(s3, { method: 'PUT', path: `/${Bucket}/new`, headers: wanted }, 'ok')).toMatch(
    /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /,
  );
});
