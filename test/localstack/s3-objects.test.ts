import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ChecksumAlgorithm,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUCKET as Bucket, type Fixture, startS3 } from './s3-fixture.ts';

let s3: Fixture;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
});

const MIB = 1 << 20;

async function read(Key: string, Range?: string) {
  const answer = await s3
    .client()
    .send(new GetObjectCommand({ Bucket, Key, ...(Range === undefined ? {} : { Range }) }));
  return { answer, bytes: Buffer.from((await answer.Body?.transformToByteArray()) ?? []) };
}

describe('bodies', () => {
  for (const size of [0, 1, 4_095, 65_536, 131_072, 131_073, 5 * MIB + 1, 64 * MIB]) {
    it(`keeps ${size} bytes, sent whole and as a stream`, async () => {
      const body = randomBytes(size);
      const md5 = createHash('md5').update(body).digest('hex');
      const file = join(s3.dir, `source-${size}`);
      writeFileSync(file, body);
      for (const Body of [body, createReadStream(file)]) {
        const Key = `bodies/${size}`;
        const put = await s3.client().send(new PutObjectCommand({ Bucket, Key, Body, ContentLength: size }));
        expect(put.ETag).toBe(`"${md5}"`);
        const { answer, bytes } = await read(Key);
        expect(answer.ContentLength).toBe(size);
        expect(answer.ETag).toBe(`"${md5}"`);
        expect(bytes.equals(body)).toBe(true);
      }
    });
  }

  it('replaces an object whole', async () => {
    const put = (Body: string) => s3.client().send(new PutObjectCommand({ Bucket, Key: 'again', Body }));
    await put('the first and longer');
    await put('second');
    expect((await read('again')).bytes.toString()).toBe('second');
  });

  it('goes on serving what a reader began to read when it is overwritten and deleted', async () => {
    const Key = 'replaced';
    const body = randomBytes(8 * MIB);
    await s3.client().send(new PutObjectCommand({ Bucket, Key, Body: body }));
    const answer = await s3.client().send(new GetObjectCommand({ Bucket, Key }));
    await s3.client().send(new PutObjectCommand({ Bucket, Key, Body: 'new' }));
    await s3.client().send(new DeleteObjectCommand({ Bucket, Key }));
    expect(body.equals((await answer.Body?.transformToByteArray()) ?? new Uint8Array())).toBe(true);
  });
});

describe('metadata', () => {
  it('keeps content headers and user metadata, and shows them on GET and HEAD', async () => {
    const Key = 'meta';
    const given = {
      ContentType: 'application/x-pack',
      ContentEncoding: 'zstd',
      CacheControl: 'max-age=5',
      ContentDisposition: 'attachment; filename="a"',
      Metadata: { round: '3', note: 'a: b, c' },
    };
    await s3
      .client()
      .send(new PutObjectCommand({ Bucket, Key, Body: createReadStream(import.meta.filename), ...given }));
    const head = await s3.client().send(new HeadObjectCommand({ Bucket, Key }));
    expect(head).toMatchObject(given);
    expect((await read(Key)).answer).toMatchObject(given);
    expect(Math.abs((head.LastModified?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  it('refuses more than 2 KiB of it', async () => {
    const put = new PutObjectCommand({ Bucket, Key: 'meta2', Body: '', Metadata: { big: 'x'.repeat(2_046) } });
    await expect(s3.client().send(put)).rejects.toMatchObject({ name: 'MetadataTooLarge' });
  });
});

describe('checksums', () => {
  const body = randomBytes(300_001);
  const crc32 = 'AAAAAA==';

  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] satisfies ChecksumAlgorithm[]) {
    it(`verifies ${algorithm} in a header and in a trailer and gives it back`, async () => {
      const Key = `sums/${algorithm}`;
      const file = join(s3.dir, 'sums');
      writeFileSync(file, body);
      const field = `Checksum${algorithm}` as const;
      const client = s3.client();
      const sums: (string | undefined)[] = [];
      for (const Body of [body, createReadStream(file)]) {
        const put = await client.send(
          new PutObjectCommand({ Bucket, Key, Body, ContentLength: body.length, ChecksumAlgorithm: algorithm }),
        );
        const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
        sums.push(put[field], head[field]);
      }
      expect(new Set(sums).size).toBe(1);
      expect(sums[0]).toBeTruthy();
      expect((await s3.client().send(new HeadObjectCommand({ Bucket, Key })))[field]).toBeUndefined();
      const wrong = new PutObjectCommand({ Bucket, Key: 'sums/wrong', Body: 'other bytes', [field]: sums[0] });
      await expect(s3.client().send(wrong)).rejects.toMatchObject({ name: 'BadDigest' });
    });
  }

  it('verifies Content-MD5', async () => {
    const ContentMD5 = createHash('md5').update(body).digest('base64');
    const Key = 'sums/md5';
    await s3.client().send(new PutObjectCommand({ Bucket, Key, Body: body, ContentMD5 }));
    const send = (fields: object) => s3.client().send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...fields }));
    await expect(send({ ContentMD5 })).rejects.toMatchObject({ name: 'BadDigest' });
    await expect(send({ ContentMD5: 'bm90IG1kNQ==' })).rejects.toMatchObject({ name: 'InvalidDigest' });
    await expect(send({ ChecksumCRC32: 'AAAA' })).rejects.toMatchObject({ name: 'InvalidRequest' });
    await expect(send({ ChecksumCRC32: crc32, ChecksumSHA1: 'x' })).rejects.toMatchObject({ name: 'InvalidRequest' });
    expect((await read(Key)).bytes.equals(body)).toBe(true);
  });
});

describe('ranges', () => {
  const body = randomBytes(300_000);
  beforeAll(async () => {
    await s3.client().send(new PutObjectCommand({ Bucket, Key: 'ranged', Body: body }));
    await s3.client().send(new PutObjectCommand({ Bucket, Key: 'empty', Body: '' }));
  });

  const cases: readonly [range: string, start: number, end: number][] = [
    ['bytes=0-0', 0, 1],
    ['bytes=10-19', 10, 20],
    ['bytes=1-250000', 1, 250_001],
    ['bytes=299999-', 299_999, 300_000],
    ['bytes=299990-999999999', 299_990, 300_000],
    ['bytes=-5', 299_995, 300_000],
    ['bytes=-900000', 0, 300_000],
  ];
  for (const [range, start, end] of cases) {
    it(`answers ${range}`, async () => {
      const { answer, bytes } = await read('ranged', range);
      expect(answer.ContentRange).toBe(`bytes ${start}-${end - 1}/300000`);
      expect(answer.$metadata.httpStatusCode).toBe(206);
      expect(bytes.equals(body.subarray(start, end))).toBe(true);
    });
  }

  it('ignores a header that is no range', async () => {
    for (const range of ['bytes=5-2', 'bytes=-', 'bytes=a-b', 'lines=1-2']) {
      const { answer, bytes } = await read('ranged', range);
      expect(answer.$metadata.httpStatusCode).toBe(200);
      expect(bytes.length).toBe(300_000);
    }
  });

  it('refuses what selects nothing, and several ranges', async () => {
    for (const range of ['bytes=300000-', 'bytes=300000-300001', 'bytes=-0']) {
      await expect(read('ranged', range)).rejects.toMatchObject({
        name: 'InvalidRange',
        $metadata: { httpStatusCode: 416 },
      });
    }
    await expect(read('empty', 'bytes=0-')).rejects.toMatchObject({ name: 'InvalidRange' });
    await expect(read('ranged', 'bytes=0-1,4-5')).rejects.toMatchObject({ name: 'NotImplemented' });
  });
});

describe('deletes and errors', () => {
  it('deletes one and many, and says nothing of those that were not there', async () => {
    const Keys = ['d/1', 'd/1/2', 'd/1/2/3', 'd/<&>"\'', 'd/ü', 'd/nothing'];
    for (const Key of Keys.slice(0, -1)) await s3.client().send(new PutObjectCommand({ Bucket, Key, Body: Key }));
    await s3.client().send(new DeleteObjectCommand({ Bucket, Key: 'd/1' }));
    await expect(read('d/1')).rejects.toMatchObject({ name: 'NoSuchKey', $metadata: { httpStatusCode: 404 } });
    expect((await read('d/1/2')).bytes.toString()).toBe('d/1/2');
    const Delete = { Objects: Keys.map((Key) => ({ Key })) };
    const answer = await s3.client().send(new DeleteObjectsCommand({ Bucket, Delete }));
    expect(answer.Deleted?.map(({ Key }) => Key)).toEqual(Keys);
    for (const Key of Keys) await expect(read(Key)).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  it('gives the codes of S3', async () => {
    const client = s3.client();
    const get = (bucket: string, Key: string) => client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    await expect(get('missing', 'a')).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(get(Bucket, 'k'.repeat(1_025))).rejects.toMatchObject({ name: 'KeyTooLongError' });
    await expect(client.send(new HeadObjectCommand({ Bucket, Key: 'no' }))).rejects.toMatchObject({ name: 'NotFound' });
    const acl = new PutObjectCommand({ Bucket, Key: 'acl', Body: '', ACL: 'public-read' });
    await expect(client.send(acl)).rejects.toMatchObject({
      name: 'NotImplemented',
      message: expect.stringContaining('x-amz-acl'),
    });
  });

  it('knows the declared buckets alone', async () => {
    const client = s3.client();
    expect((await client.send(new HeadBucketCommand({ Bucket }))).BucketRegion).toBe('eu-central-1');
    await expect(client.send(new HeadBucketCommand({ Bucket: 'missing' }))).rejects.toMatchObject({ name: 'NotFound' });
    const create = (bucket: string) => client.send(new CreateBucketCommand({ Bucket: bucket }));
    await expect(create(Bucket)).rejects.toMatchObject({ name: 'BucketAlreadyOwnedByYou' });
    await expect(create('another')).rejects.toMatchObject({ name: 'TooManyBuckets' });
  });
});
