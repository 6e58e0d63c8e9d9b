import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUCKET as Bucket, type Fixture, startS3 } from './s3-fixture.ts';

const PART = 5 * (1 << 20);
let s3: Fixture;
let client: S3Client;
beforeAll(async () => {
  s3 = await startS3();
  client = s3.client();
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
});

async function create(Key: string): Promise<string> {
  const upload = new CreateMultipartUploadCommand({
    Bucket,
    Key,
    ContentType: 'application/x-pack',
    Metadata: { n: '1' },
  });
  return (await client.send(upload)).UploadId ?? '';
}

const uploadPart = (Key: string, UploadId: string, PartNumber: number, Body: Buffer) =>
  client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));

function complete(Key: string, UploadId: string, parts: readonly [number, string | undefined][], IfNoneMatch?: string) {
  const Parts = parts.map(([PartNumber, ETag]) => ({ PartNumber, ETag }));
  const condition = IfNoneMatch === undefined ? {} : { IfNoneMatch };
  return client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...condition }),
  );
}

it('joins parts that came in any order', async () => {
  const bodies = [randomBytes(PART), randomBytes(PART + 1), randomBytes(3)];
  const UploadId = await create('joined');
  const etags = new Map<number, string | undefined>();
  for (const number of [2, 9, 1]) {
    const body = bodies[[1, 2, 9].indexOf(number)] ?? Buffer.alloc(0);
    await uploadPart('joined', UploadId, number, randomBytes(10));
    etags.set(number, (await uploadPart('joined', UploadId, number, body)).ETag);
  }
  await s3.restart();
  client = s3.client();
  const list = { Bucket, Key: 'joined', UploadId, MaxParts: 2 };
  const first = await client.send(new ListPartsCommand(list));
  expect(first).toMatchObject({ IsTruncated: true, Parts: [{ PartNumber: 1 }, { PartNumber: 2, Size: PART + 1 }] });
  const PartNumberMarker = first.NextPartNumberMarker ?? '';
  const rest = await client.send(new ListPartsCommand({ ...list, PartNumberMarker }));
  expect(rest).toMatchObject({ IsTruncated: false, Parts: [{ PartNumber: 9, Size: 3, ETag: etags.get(9) }] });
  const parts = [1, 2, 9].map((number): [number, string | undefined] => [number, etags.get(number)]);
  const { ETag } = await complete('joined', UploadId, parts);
  const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest();
  expect(ETag).toBe(`"${md5(Buffer.concat(bodies.map(md5))).toString('hex')}-3"`);
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'joined' }));
  expect(got).toMatchObject({ ETag, ContentType: 'application/x-pack', Metadata: { n: '1' } });
  expect(Buffer.concat(bodies).equals((await got.Body?.transformToByteArray()) ?? new Uint8Array())).toBe(true);
  expect(readdirSync(join(s3.dir, 'uploads', Bucket))).toEqual([]);
  await expect(complete('joined', UploadId, parts)).rejects.toMatchObject({ name: 'NoSuchUpload' });
});

it('refuses lists that do not fit what arrived', async () => {
  const UploadId = await create('refused');
  const one = (await uploadPart('refused', UploadId, 1, randomBytes(100))).ETag;
  const two = (await uploadPart('refused', UploadId, 2, randomBytes(100))).ETag;
  const refused = (parts: [number, string | undefined][], name: string) =>
    expect(complete('refused', UploadId, parts)).rejects.toMatchObject({ name });
  await refused(
    [
      [1, one],
      [2, two],
    ],
    'EntityTooSmall',
  );
  await refused(
    [
      [2, two],
      [1, one],
    ],
    'InvalidPartOrder',
  );
  await refused([[1, two]], 'InvalidPart');
  await refused(
    [
      [1, one],
      [3, two],
    ],
    'InvalidPart',
  );
  await expect(uploadPart('refused', UploadId, 10_001, Buffer.alloc(1))).rejects.toMatchObject({
    name: 'InvalidArgument',
  });
  for (const id of ['..', `../${UploadId}`, '0'.repeat(48), ' ']) {
    await expect(complete('refused', id, [[1, one]])).rejects.toMatchObject({ name: 'NoSuchUpload' });
  }
  await expect(complete('other key', UploadId, [[1, one]])).rejects.toMatchObject({ name: 'NoSuchUpload' });
});

it('completes on condition', async () => {
  const UploadId = await create('once');
  const { ETag } = await uploadPart('once', UploadId, 1, Buffer.from('by parts'));
  await client.send(new PutObjectCommand({ Bucket, Key: 'once', Body: 'before' }));
  await expect(complete('once', UploadId, [[1, ETag]], '*')).rejects.toMatchObject({ name: 'PreconditionFailed' });
  await complete('once', UploadId, [[1, ETag]]);
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'once' }));
  expect(await Body?.transformToString()).toBe('by parts');
});

it('aborts', async () => {
  const UploadId = await create('aborted');
  await uploadPart('aborted', UploadId, 1, Buffer.from('x'));
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'aborted', UploadId }));
  await expect(uploadPart('aborted', UploadId, 2, Buffer.from('x'))).rejects.toMatchObject({ name: 'NoSuchUpload' });
});
