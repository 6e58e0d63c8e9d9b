import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUCKET, exchange, type Fixture, sendBytes, signHeaders, startS3 } from './s3-fixture.ts';

let s3: Fixture;
beforeAll(async () => {
  s3 = await startS3();
  await s3.client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'there', Body: 'as it was' }));
});
afterAll(async () => {
  expect(readdirSync(join(s3.dir, 'staging'))).toEqual([]);
  expect(readdirSync(s3.dir).toSorted()).toEqual(['buckets', 'staging', 'uploads']);
  expect(readdirSync(join(s3.dir, 'buckets')).toSorted()).toEqual(['other', BUCKET].toSorted());
  await s3[Symbol.asyncDispose]();
});

const codeOf = (answer: string) => /<Code>(\w+)<\/Code>/.exec(answer)?.[1];
const keysNow = async () =>
  (await s3.client().send(new ListObjectsV2Command({ Bucket: BUCKET }))).Contents?.map(({ Key }) => Key);

describe('paths', () => {
  it('are keys, not files', async () => {
    for (const path of ['../../x', '%2e%2e/%2e%2e/x', '..%2f..%2fx', '/etc/passwd', '%00', '....//x', '%5c..%5cx']) {
      const put = { method: 'PUT', path: `/${BUCKET}/${path}`, headers: { 'content-length': '1' } };
      expect(await exchange(s3, put, 'x')).toMatch(/^HTTP\/1.1 200 /);
      expect(await exchange(s3, { method: 'GET', path: `/${BUCKET}/${path}` })).toMatch(/\r\n\r\nx$/);
      expect(await exchange(s3, { method: 'DELETE', path: `/${BUCKET}/${path}` })).toMatch(/^HTTP\/1.1 204 /);
    }
    expect(await keysNow()).toEqual(['there']);
  });

  it('name a declared bucket or none', async () => {
    for (const bucket of ['..', '.', '%2e%2e', 'staging', `..%2f${BUCKET}`, '']) {
      const answer = await exchange(s3, { method: 'GET', path: `/${bucket}/there` });
      expect(codeOf(answer)).toMatch(/^(NoSuchBucket|NotImplemented)$/);
    }
  });

  it('that are no UTF-8, or no paths, are refused', async () => {
    for (const path of [`/${BUCKET}/%ff`, `/${BUCKET}/%c0%ae`, `/${BUCKET}/%zz`, `http://x/${BUCKET}/there`, '*']) {
      const head = `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`;
      expect(codeOf(await sendBytes(s3.port, head))).toBe('InvalidURI');
    }
  });
});

describe('heads', () => {
  it('that are huge are refused', async () => {
    const head = `GET /${BUCKET}/there HTTP/1.1\r\nhost: x\r\nx-amz-meta-a: ${'a'.repeat(20_000)}\r\n\r\n`;
    expect(await sendBytes(s3.port, head)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('that hold two lengths or a length and chunks are refused', async () => {
    for (const lines of ['content-length: 1\r\ncontent-length: 2', 'content-length: 1\r\ntransfer-encoding: chunked']) {
      const head = `PUT /${BUCKET}/x HTTP/1.1\r\nhost: x\r\n${lines}\r\nconnection: close\r\n\r\n`;
      expect(await sendBytes(s3.port, head)).toMatch(/^HTTP\/1.1 400 /);
    }
  });

  it('without a length are refused', async () => {
    const headers = { 'transfer-encoding': 'chunked' };
    const answer = await exchange(s3, { method: 'PUT', path: `/${BUCKET}/x`, headers }, '1\r\nx\r\n0\r\n\r\n');
    expect(codeOf(answer)).toBe('MissingContentLength');
  });
});

describe('aws-chunked bodies', () => {
  const data = Buffer.alloc(10_000, 'd');
  const checksum = (bytes: Buffer) => {
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(bytes));
    return sum.toString('base64');
  };
  const trailer = `x-amz-checksum-crc32:${checksum(data)}\r\n\r\n`;

  async function send(parts: readonly (string | Buffer)[], length = 10_000, trailerName = 'x-amz-checksum-crc32') {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
    const headers = {
      'content-length': String(body.length),
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': String(length),
      'x-amz-trailer': trailerName,
    };
    const payloadHash = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
    return exchange(s3, { method: 'PUT', path: `/${BUCKET}/chunked`, headers, payloadHash }, body);
  }

  it('well framed are taken', async () => {
    expect(await send(['2710\r\n', data, '\r\n0\r\n', trailer])).toMatch(/^HTTP\/1.1 200 /);
    const [first, second] = [data.subarray(0, 9_000), data.subarray(9_000)];
    expect(await send(['2328\r\n', first, '\r\n3E8\r\n', second, '\r\n0\r\n', trailer])).toMatch(/^HTTP\/1.1 200 /);
    const { Body, ContentEncoding } = await s3.client().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'chunked' }));
    expect(data.equals((await Body?.transformToByteArray()) ?? new Uint8Array())).toBe(true);
    expect(ContentEncoding).toBeUndefined();
  });

  const small = Buffer.alloc(5_000, 'd');
  const cases: Record<string, [parts: (string | Buffer)[], code: string, length?: number, trailerName?: string]> = {
    'a size that is no number': [['zz\r\n', data, '\r\n0\r\n', trailer], 'IncompleteBody'],
    'a negative size': [['-1\r\n', data, '\r\n0\r\n', trailer], 'IncompleteBody'],
    'an enormous size': [['ffffffffffff\r\n', data], 'IncompleteBody'],
    'a size with a signature': [['2710;chunk-signature=00\r\n', data, '\r\n0\r\n', trailer], 'IncompleteBody'],
    'a size line without end': [['1'.repeat(5_000)], 'IncompleteBody'],
    'a bare line feed': [['2710\n', data, '\n0\n', trailer], 'IncompleteBody'],
    'a chunk longer than its size': [['2000\r\n', data, '\r\n0\r\n', trailer], 'IncompleteBody'],
    'a chunk shorter than its size': [['2711\r\n', data, '\r\n0\r\n', trailer], 'IncompleteBody'],
    'small chunks': [['1388\r\n', small, '\r\n1388\r\n', small, '\r\n0\r\n', trailer], 'InvalidChunkSizeError'],
    'fewer bytes than declared': [['2710\r\n', data, '\r\n0\r\n', trailer], 'IncompleteBody', 10_001],
    'more bytes than declared': [['2710\r\n', data, '\r\n0\r\n', trailer], 'IncompleteBody', 9_999],
    'no last chunk': [['2710\r\n', data, '\r\n'], 'IncompleteBody'],
    'no trailers': [['2710\r\n', data, '\r\n0\r\n\r\n'], 'MalformedTrailerError'],
    'no end of trailers': [['2710\r\n', data, '\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n'], 'IncompleteBody'],
    'a line that is no trailer': [['2710\r\n', data, '\r\n0\r\nnothing\r\n\r\n'], 'MalformedTrailerError'],
    'bytes after the trailers': [['2710\r\n', data, '\r\n0\r\n', trailer, 'more'], 'MalformedTrailerError'],
    'a wrong checksum': [['2710\r\n', data, '\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n'], 'BadDigest'],
    'an unknown trailer': [['2710\r\n', data, '\r\n0\r\n', trailer], 'InvalidRequest', 10_000, 'x-amz-checksum-md4'],
  };
  for (const [name, [parts, code, length, trailerName]] of Object.entries(cases)) {
    it(`with ${name} are refused`, async () => {
      expect(codeOf(await send(parts, length, trailerName))).toBe(code);
    });
  }
});

describe('bodies', () => {
  it('refused early do not keep a client that goes on sending from reading why', async () => {
    const head = await headOf({ 'content-length': '30000000', 'x-amz-storage-class': 'GLACIER' });
    const answer = await sendBytes(s3.port, Buffer.concat([Buffer.from(head), Buffer.alloc(30_000_000)]));
    expect(codeOf(answer)).toBe('NotImplemented');
  });

  it('refused early are read to a bound, then cut', async () => {
    const socket = connect(s3.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.write(await headOf({ 'content-length': '5000000000', 'x-amz-storage-class': 'GLACIER' }));
    const block = Buffer.alloc(1 << 20);
    let sent = 0;
    const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()));
    while (!socket.destroyed && sent < 1_000) {
      sent++;
      if (!socket.write(block)) await Promise.race([closed, new Promise((resolve) => socket.once('drain', resolve))]);
    }
    expect(sent).toBeLessThan(200);
    socket.destroy();
  });

  it('of XML are taken only in the form that S3 has', async () => {
    const bodies = [
      '',
      '<Delete>',
      '<Delete></Delete>',
      '<!DOCTYPE x [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>',
      '<Delete><Object><Key>&unknown;</Key></Object></Delete>',
      '<Delete><Object><Key>a</Key><Key>there</Key></Object></Delete>',
      '<Delete><Object></Object></Delete>',
      '<Other><Object><Key>there</Key></Object></Other>',
      `${'<a>'.repeat(1_000)}${'</a>'.repeat(1_000)}`,
      `<Delete>${'<Object><Key>there</Key></Object>'.repeat(1_001)}</Delete>`,
    ];
    for (const body of bodies) {
      const sum = Buffer.alloc(4);
      sum.writeUInt32BE(crc32(body));
      const headers = { 'content-length': String(body.length), 'x-amz-checksum-crc32': sum.toString('base64') };
      expect(codeOf(await exchange(s3, { method: 'POST', path: `/${BUCKET}?delete`, headers }, body))).toBe(
        'MalformedXML',
      );
    }
    const headers = { 'content-length': '3' };
    const unsummed = await exchange(s3, { method: 'POST', path: `/${BUCKET}?delete`, headers }, '<a>');
    expect(codeOf(unsummed)).toBe('InvalidRequest');
    const large = { 'content-length': '2097153', 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' };
    const tooLarge = await exchange(
      s3,
      { method: 'POST', path: `/${BUCKET}?delete`, headers: large },
      Buffer.alloc(2_097_153),
    );
    expect(codeOf(tooLarge)).toBe('EntityTooLarge');
    expect(await keysNow()).toContain('there');
  });

  async function headOf(headers: Record<string, string>): Promise<string> {
    const request = { method: 'PUT', path: `/${BUCKET}/early`, headers };
    const lines = Object.entries(await signHeaders(s3, request)).map(([name, value]) => `${name}: ${value}\r\n`);
    return `PUT /${BUCKET}/early HTTP/1.1\r\n${lines.join('')}connection: close\r\n\r\n`;
  }
});

describe('what is not implemented', () => {
  it('is refused by name', async () => {
    const cases: [method: string, path: string, name: string][] = [
      ['GET', '/', 'service'],
      ['GET', `/${BUCKET}`, 'GET on the bucket'],
      ['GET', `/${BUCKET}?acl`, 'acl'],
      ['GET', `/${BUCKET}/there?versionId=1`, 'versionId'],
      ['GET', `/${BUCKET}/there?response-content-type=a`, 'response-content-type'],
      ['PUT', `/${BUCKET}/there?tagging`, 'tagging'],
      ['PATCH', `/${BUCKET}/there`, 'PATCH'],
    ];
    for (const [method, path, name] of cases) {
      const answer = await exchange(s3, { method, path, headers: method === 'PUT' ? { 'content-length': '0' } : {} });
      expect(codeOf(answer)).toBe('NotImplemented');
      expect(answer).toContain(name);
    }
    const { Body } = await s3.client().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'there' }));
    expect(await Body?.transformToString()).toBe('as it was');
  });
});
