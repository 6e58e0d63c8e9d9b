import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  DeleteObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OBJECT, placeOf } from '../../localstack/s3/layout.ts';
import { encodeRecord } from '../../localstack/s3/object-file.ts';
import { BUCKET, type Fixture, startS3 } from './s3-fixture.ts';

const ODD = [
  ...['a', 'a/', 'a/b', 'a!b', 'a0', 'a//b', 'a/../b', '../x', './y', '..', '.', '/', '//', '%2e%2e%2f', '100%', 'a.o'],
  ...['a.d/b.c', 'sp ace', 'pl+us', 'am&p', 'le<ss>', 'quo\'te"', 'back\\slash', 'q?m#k', 'semi;colon=', 'tab\there'],
  ...['line\nfeed', 'nul\u0000x', 'del\u007f', 'ünïcödé', 'e\u0301', '日本/語', '\ud83d\ude00', '\uffee'],
  ...['x'.repeat(79), 'x'.repeat(80), `${'x'.repeat(80)}/y`, `${'x'.repeat(80)}!`, 'x'.repeat(300), 'x'.repeat(1_024)],
  ...['/'.repeat(1_024), 'ü'.repeat(512), `${'%'.repeat(500)}/${'ä'.repeat(250)}`],
];
const MANY = Array.from({ length: 2_500 }, (_, at) => `many/${at % 50}/k${(at * 7_919) % 2_500}`);
const KEYS = [...ODD, ...MANY];
const Body = '7 bytes';

let s3: Fixture;
let client: S3Client;
beforeAll(async () => {
  s3 = await startS3();
  client = s3.client();
  for (const Key of ODD) await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));
  seed(MANY);
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
});

/** Puts objects under the server's feet, without the time that 2,500 durable uploads take. */
function seed(keys: readonly string[]): void {
  for (const key of keys) {
    const { folders, name } = placeOf(key);
    const folder = join(s3.dir, 'buckets', BUCKET, ...folders);
    mkdirSync(folder, { recursive: true });
    const record = { key, size: 0, etag: 'd41d8', modifiedMs: 0, contentHeaders: {}, userMetadata: {} };
    writeFileSync(join(folder, name + OBJECT), encodeRecord(record));
  }
}

/** All pages; names come percent-encoded, as XML can't hold every character. */
async function list(input: Partial<ListObjectsV2CommandInput> = {}) {
  const [found, prefixes, pages]: [string[], string[], number[]] = [[], [], []];
  let token: string | undefined;
  do {
    const more = token === undefined ? {} : { ContinuationToken: token };
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: BUCKET, EncodingType: 'url', ...input, ...more }),
    );
    found.push(...(page.Contents ?? []).map(({ Key = '' }) => decodeURIComponent(Key)));
    prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix = '' }) => decodeURIComponent(Prefix)));
    pages.push(page.KeyCount ?? -1);
    token = page.NextContinuationToken;
    expect(page.IsTruncated).toBe(token !== undefined);
  } while (token !== undefined);
  return { found, prefixes, pages };
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** What a listing must give, straight from its definition. */
function expected(keys: readonly string[], prefix: string, delimiter = '', after = '') {
  const inside = keys.filter((key) => key.startsWith(prefix) && byBytes(key, after) > 0).toSorted(byBytes);
  const cut = (key: string) => (delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length));
  const rolled = inside.filter((key) => cut(key) >= 0).map((key) => key.slice(0, cut(key) + delimiter.length));
  return { found: inside.filter((key) => cut(key) < 0), prefixes: [...new Set(rolled)] };
}

describe('pages', () => {
  it('lists every key once, in the order of UTF-8 bytes', async () => {
    const { found, pages } = await list();
    expect(found).toEqual(expected(KEYS, '').found);
    expect(pages).toEqual([1_000, 1_000, KEYS.length - 2_000]);
  });

  for (const [MaxKeys, Prefix] of [
    [1, 'a'],
    [1, 'x'],
    [7, 'many/12'],
    [999, ''],
  ] as const) {
    it(`lists the same in pages of ${MaxKeys}, below "${Prefix}"`, async () => {
      expect(await list({ MaxKeys, Prefix })).toMatchObject(expected(KEYS, Prefix));
      expect(await list({ MaxKeys, Prefix, Delimiter: '/' })).toMatchObject(expected(KEYS, Prefix, '/'));
    });
  }

  it('answers max-keys 0 with nothing', async () => {
    expect(await list({ MaxKeys: 0 })).toEqual({ found: [], prefixes: [], pages: [0] });
  });

  it('gives size, ETag and time', async () => {
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: 'sp ace' }));
    const ETag = `"${createHash('md5').update(Body).digest('hex')}"`;
    const record = { Key: 'sp ace', Size: 7, ETag, StorageClass: 'STANDARD' };
    expect(Contents).toEqual([{ ...record, ChecksumAlgorithm: ['CRC32'], LastModified: expect.any(Date) }]);
  });

  it('refuses a token that is not its own, a bad max-keys, and what it does not know', async () => {
    const send = (input: object) => client.send(new ListObjectsV2Command({ Bucket: BUCKET, ...input }));
    await expect(send({ ContinuationToken: '???' })).rejects.toMatchObject({ name: 'InvalidArgument' });
    await expect(send({ MaxKeys: -1 })).rejects.toMatchObject({ name: 'InvalidArgument' });
    await expect(send({ FetchOwner: true })).rejects.toMatchObject({ name: 'NotImplemented' });
  });
});

describe('prefixes and delimiters', () => {
  const long = [79, 80, 81].map((length) => 'x'.repeat(length));
  for (const Prefix of ['', 'a', 'a/', 'a//', 'many/17/', '..', '/', '日', 'none', ...long]) {
    it(`lists below "${Prefix.slice(0, 9)}" (${Prefix.length})`, async () => {
      for (const Delimiter of ['/', '/k', 'x', '\u0301', '../']) {
        expect(await list({ Prefix, Delimiter })).toMatchObject(expected(KEYS, Prefix, Delimiter));
      }
    });
  }

  it('starts after any text', async () => {
    for (const StartAfter of ['a', 'a/', 'a/b', 'many/17', 'many/49/k9', 'ünïcödé', '\u0000', '\uffee']) {
      expect(await list({ StartAfter, Prefix: 'a', MaxKeys: 2 })).toMatchObject(expected(KEYS, 'a', '', StartAfter));
    }
    expect(await list({ StartAfter: 'many/17' })).toMatchObject(expected(KEYS, '', '', 'many/17'));
  });

  it('writes what XML can hold without encoding', async () => {
    for (const Prefix of ['le<ss>', 'am&p', 'quo\'te"', '日本', 'sp ace', 'line']) {
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix }));
      expect(Contents?.map(({ Key }) => Key)).toEqual(expected(KEYS, Prefix).found);
    }
  });

  it('does not show empty folders', async () => {
    mkdirSync(join(s3.dir, 'buckets', 'other', 'left.d', 'over.d'), { recursive: true });
    expect(await list({ Bucket: 'other', Delimiter: '/' })).toEqual({ found: [], prefixes: [], pages: [0] });
  });

  it('agrees with the definition for any keys, prefixes and delimiters', async () => {
    const unit = fc.constantFrom('a', 'b', '/', '!', 'é', 'x'.repeat(40));
    const text = fc.string({ unit, minLength: 1, maxLength: 6 });
    const keySet = fc.uniqueArray(text, { minLength: 1, maxLength: 8 });
    const property = fc.asyncProperty(keySet, text, text, async (keys, prefix, Delimiter) => {
      await Promise.all(keys.map((Key) => client.send(new PutObjectCommand({ Bucket: 'other', Key, Body: '' }))));
      for (const Prefix of ['', prefix]) {
        const got = await list({ Bucket: 'other', Prefix, Delimiter, MaxKeys: 2 });
        expect(got).toMatchObject(expected(keys, Prefix, Delimiter));
      }
      const Delete = { Objects: keys.map((Key) => ({ Key })) };
      await client.send(new DeleteObjectsCommand({ Bucket: 'other', Delete }));
      expect((await list({ Bucket: 'other' })).found).toEqual([]);
    });
    await fc.assert(property, { numRuns: 20 });
  });
});
