import { createHash } from 'node:crypto';
import { HttpRequest } from '@smithy/protocol-http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AccessKey, KeyStore } from '../../localstack/identity/keys.ts';
import { type SignedRequest, verifySigV4 } from '../../localstack/identity/sigv4.ts';
import { REGION, signerOf } from './s3-fixture.ts';

const EMPTY = createHash('sha256').digest('hex');
const arn = 'arn:aws:iam::123456789012:user/test';

/** Known answers from the AWS documentation: the general test suite's first, and the examples for S3. */
describe('published examples', () => {
  const s3Key = ['AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'] as const;
  const scope = '20130524/us-east-1/s3/aws4_request';
  const s3Auth = (headers: string, signature: string) =>
    `AWS4-HMAC-SHA256 Credential=${s3Key[0]}/${scope},SignedHeaders=${headers},Signature=${signature}`;
  const vanilla = '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31';
  const stored = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072';
  const examples: Record<string, [request: SignedRequest, key: readonly [string, string], payload: string]> = {
    'get-vanilla': [
      {
        method: 'GET',
        rawPath: '/',
        headers: {
          host: 'example.amazonaws.com',
          'x-amz-date': '20150830T123600Z',
          authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=${vanilla}`,
        },
      },
      ['AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'],
      EMPTY,
    ],
    'GET Object': [
      {
        method: 'GET',
        rawPath: '/test.txt',
        headers: {
          host: 'examplebucket.s3.amazonaws.com',
          range: 'bytes=0-9',
          'x-amz-content-sha256': EMPTY,
          'x-amz-date': '20130524T000000Z',
          authorization: s3Auth(
            'host;range;x-amz-content-sha256;x-amz-date',
            'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
          ),
        },
      },
      s3Key,
      EMPTY,
    ],
    'PUT Object': [
      {
        method: 'PUT',
        rawPath: '/test%24file.text',
        headers: {
          host: 'examplebucket.s3.amazonaws.com',
          date: 'Fri, 24 May 2013 00:00:00 GMT',
          'x-amz-date': '20130524T000000Z',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
          'x-amz-content-sha256': stored,
          authorization: s3Auth(
            'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
            '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
          ),
        },
      },
      s3Key,
      stored,
    ],
    'presigned URL': [
      {
        method: 'GET',
        rawPath: `/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(`${s3Key[0]}/${scope}`)}&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404`,
        headers: { host: 'examplebucket.s3.amazonaws.com' },
      },
      s3Key,
      '',
    ],
  };
  for (const [name, [request, [accessKeyId, secretAccessKey], payloadHash]] of Object.entries(examples)) {
    it(`${name} is accepted`, () => {
      const isS3 = name !== 'get-vanilla';
      const nowMs = Date.parse(isS3 ? '2013-05-24T00:00:00Z' : '2015-08-30T12:36:00Z');
      const keys = new KeyStore({ nowMs: () => nowMs });
      keys.add({ accessKeyId, secretAccessKey, arn, account: '123456789012' });
      const options = { keys, service: isS3 ? 's3' : 'service', region: 'us-east-1', nowMs, payloadHash };
      expect(verifySigV4(request, options)).toMatchObject({ key: { accessKeyId } });
    });
  }
});

const nowMs = Date.parse('2026-03-04T05:06:07Z');
const keys = new KeyStore({ nowMs: () => nowMs });
const key = keys.issue({ arn });
const session = keys.issue({ arn, ttlSeconds: 900 });

interface Draft {
  readonly service: string;
  readonly path?: string;
  readonly query?: Record<string, string | string[]>;
  readonly headers?: Record<string, string>;
  readonly as?: AccessKey;
  readonly region?: string;
  readonly atMs?: number;
}

/** Signs as AWS's own client library does. */
async function sign({ service, path = '/', query = {}, headers = {}, as = key, region, atMs = nowMs }: Draft) {
  const all = { host: 'cloud', 'x-amz-content-sha256': EMPTY, ...headers };
  const request = new HttpRequest({ method: 'POST', path, query, headers: all });
  const signed = await signerOf(as, service, region).sign(request, { signingDate: new Date(atMs) });
  const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one) => [name, one] as const));
  const text = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
  return { method: 'POST', rawPath: text === '' ? path : `${path}?${text}`, headers: { ...signed.headers } };
}

const verify = (request: SignedRequest, service: string, more: { nowMs?: number; payloadHash?: string } = {}) =>
  verifySigV4(request, { keys, service, region: REGION, nowMs, payloadHash: EMPTY, ...more });

describe("the SDK's signatures", () => {
  it('are accepted for any path and query, with the rules of S3 and of the others', async () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'Z', '0', '-', '~', ' ', '+', '/', '%', '=', '&', 'ü', "'", '*'),
    });
    const path = fc.array(text, { maxLength: 4 }).map((parts) => `/${parts.map(encodePart).join('/')}`);
    const query = fc.dictionary(text.filter(Boolean), fc.oneof(text, fc.array(text, { minLength: 2, maxLength: 3 })));
    const service = fc.constantFrom('s3', 'execute-api', 'states');
    const property = fc.asyncProperty(path, query, service, text, async (path, query, service, value) => {
      const headers = { 'x-amz-meta-a': `  ${value}  b   c ` };
      expect(verify(await sign({ service, path, query, headers }), service)).toEqual({ key });
    });
    await fc.assert(property, { numRuns: 300 });
  });

  function encodePart(part: string): string {
    return encodeURIComponent(part).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  }

  it('do not hold for another method, path, query, header, body or host', async () => {
    const signed = await sign({ service: 'execute-api', path: '/a/b', query: { q: '1' }, headers: { 'x-amz-x': '1' } });
    expect(verify(signed, 'execute-api')).toEqual({ key });
    const changed: Partial<SignedRequest>[] = [
      { method: 'PUT' },
      { rawPath: '/a/c?q=1' },
      { rawPath: '/a/b?q=2' },
      { rawPath: '/a/b?q=1&r=' },
      { headers: { ...signed.headers, 'x-amz-x': '2' } },
      { headers: { ...signed.headers, host: 'other' } },
    ];
    for (const change of changed) {
      const verdict = verify({ ...signed, ...change }, 'execute-api');
      expect(verdict).toMatchObject({ error: { code: 'InvalidSignatureException' } });
    }
    const payloadHash = createHash('sha256').update('x').digest('hex');
    expect(verify(signed, 'execute-api', { payloadHash })).toHaveProperty('error');
    expect(verify(signed, 'execute-api', { payloadHash: 'UNSIGNED-PAYLOAD' })).toHaveProperty('error');
  });
});

type Codes = readonly [code: string, status: number];

/** What each kind of service answers to the same fault. */
const FAULTS: Record<string, [make: (service: string) => Promise<SignedRequest>, codes: Record<string, Codes>]> = {
  'no signature': [
    async () => ({ method: 'GET', rawPath: '/', headers: { host: 'cloud' } }),
    {
      s3: ['AccessDenied', 403],
      sts: ['MissingAuthenticationToken', 403],
      'execute-api': ['MissingAuthenticationTokenException', 403],
      states: ['MissingAuthenticationTokenException', 400],
    },
  ],
  'half a header': [
    async () => ({
      method: 'GET',
      rawPath: '/',
      headers: { host: 'cloud', authorization: 'AWS4-HMAC-SHA256 Credential=a' },
    }),
    {
      s3: ['AuthorizationHeaderMalformed', 400],
      sts: ['IncompleteSignature', 400],
      'execute-api': ['IncompleteSignatureException', 403],
      states: ['IncompleteSignatureException', 400],
    },
  ],
  'an unknown key': [
    (service) => sign({ service, as: { ...key, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' } }),
    {
      s3: ['InvalidAccessKeyId', 403],
      sts: ['InvalidClientTokenId', 403],
      'execute-api': ['UnrecognizedClientException', 403],
      states: ['UnrecognizedClientException', 400],
    },
  ],
  'a wrong secret': [
    (service) => sign({ service, as: { ...key, secretAccessKey: 'x' } }),
    {
      s3: ['SignatureDoesNotMatch', 403],
      sts: ['SignatureDoesNotMatch', 403],
      'execute-api': ['InvalidSignatureException', 403],
      states: ['InvalidSignatureException', 400],
    },
  ],
  'a wrong session token': [
    (service) => sign({ service, as: { ...session, sessionToken: 'x' } }),
    {
      s3: ['InvalidToken', 400],
      sts: ['InvalidClientTokenId', 403],
      'execute-api': ['UnrecognizedClientException', 403],
      states: ['UnrecognizedClientException', 400],
    },
  ],
  'another region': [
    (service) => sign({ service, region: 'us-west-2' }),
    {
      s3: ['AuthorizationHeaderMalformed', 400],
      sts: ['SignatureDoesNotMatch', 403],
      'execute-api': ['InvalidSignatureException', 403],
      states: ['InvalidSignatureException', 400],
    },
  ],
  'a time 16 minutes ago': [
    (service) => sign({ service, atMs: nowMs - 16 * 60_000 }),
    {
      s3: ['RequestTimeTooSkewed', 403],
      sts: ['SignatureDoesNotMatch', 403],
      'execute-api': ['InvalidSignatureException', 403],
      states: ['InvalidSignatureException', 400],
    },
  ],
  'a header that is not signed': [
    async (service) => {
      const signed = await sign({ service });
      return { ...signed, headers: { ...signed.headers, 'x-amz-late': '1' } };
    },
    {
      s3: ['AccessDenied', 403],
      sts: ['SignatureDoesNotMatch', 403],
      'execute-api': ['InvalidSignatureException', 403],
      states: ['InvalidSignatureException', 400],
    },
  ],
};

describe('a request with', () => {
  for (const [fault, [make, codes]] of Object.entries(FAULTS)) {
    for (const [service, [code, status]] of Object.entries(codes)) {
      it(`${fault} gets ${code} from ${service}`, async () => {
        expect(verify(await make(service), service)).toMatchObject({ error: { code, status } });
      });
    }
  }

  it('a signature for another service is refused', async () => {
    expect(verify(await sign({ service: 's3' }), 'execute-api')).toHaveProperty('error');
  });

  it('a session is accepted until it ends', async () => {
    const atMs = nowMs + 899_000;
    const signed = await sign({ service: 'sts', as: session, atMs });
    expect(verify(signed, 'sts', { nowMs: atMs })).toEqual({ key: session });
    expect(verify(signed, 'sts', { nowMs: nowMs + 900_000 })).toMatchObject({ error: { code: 'ExpiredToken' } });
  });
});
