import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Claim } from './credentials.ts';
import { IDENTITY_LIMITS } from './limits.ts';

/** A request as it came over the wire. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, percent-encoded as sent. */
  readonly rawPath: string;
  readonly headers: IncomingHttpHeaders;
}

export type Query = readonly (readonly [name: string, value: string])[];

/** Path and query of a raw path, the query decoded. Throws URIError on bad percent-encoding. */
export function splitRawPath(rawPath: string): { path: string; query: Query } {
  const mark = rawPath.indexOf('?');
  if (mark < 0) return { path: rawPath, query: [] };
  const pairs = rawPath.slice(mark + 1).split('&');
  return { path: rawPath.slice(0, mark), query: pairs.filter((pair) => pair !== '').map(splitPair) };
}

function splitPair(pair: string): readonly [string, string] {
  const equals = pair.indexOf('=');
  return equals < 0 ? [decode(pair), ''] : [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
}

function decode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/** The 64 hex digits that `secret` gives for the request, by the Signature Version 4 process. */
export function signatureOf(request: SignedRequest, query: Query, claim: Claim, secret: string, payloadHash: string) {
  const scope = `${claim.scopeDate}/${claim.region}/${claim.service}/aws4_request`;
  const canonical = canonicalRequest(request, query, claim, payloadHash);
  const digest = createHash('sha256').update(canonical).digest('hex');
  return hmac(signingKeyOf(claim, secret), `AWS4-HMAC-SHA256\n${claim.amzDate}\n${scope}\n${digest}`).toString('hex');
}

/** Keys by what they are derived from: a client signs thousands of requests of a day with one. */
const signingKeys = new Map<string, Buffer>();

function signingKeyOf({ scopeDate, region, service }: Claim, secret: string): Buffer {
  const name = JSON.stringify([secret, scopeDate, region, service]);
  const known = signingKeys.get(name);
  if (known !== undefined) return known;
  const steps = [scopeDate, region, service, 'aws4_request'];
  const key = steps.reduce<Buffer>((last, step) => hmac(last, step), Buffer.from(`AWS4${secret}`));
  if (signingKeys.size >= IDENTITY_LIMITS.signingKeysMax) signingKeys.clear();
  signingKeys.set(name, key);
  return key;
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function canonicalRequest({ method, rawPath, headers }: SignedRequest, query: Query, claim: Claim, payload: string) {
  const [path = ''] = rawPath.split('?', 1);
  return [
    method,
    claim.service === 's3' ? encodeOnce(path) : encodeTwice(path),
    canonicalQuery(query),
    ...claim.signedHeaders.map((name) => `${name}:${canonicalValue(headers[name])}`),
    '',
    claim.signedHeaders.join(';'),
    payload,
  ].join('\n');
}

/** S3 signs the path as it is, encoded once: a key may hold `//` and `..`. */
function encodeOnce(path: string): string {
  return path.split('/').map(decodeURIComponent).map(encode).join('/');
}

/** The others sign the path normalized and its encoded form encoded again. */
function encodeTwice(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  const tail = segments.length > 0 && path.endsWith('/') ? '/' : '';
  return `/${segments.map(encode).join('/')}${tail}`;
}

function canonicalQuery(query: Query): string {
  return query
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort(byPair)
    .join('&');
}

/** By name, then value: `=` must sort before every character of a longer name. */
function byPair(a: string, b: string): number {
  const [x, y] = [a.replace('=', '\0'), b.replace('=', '\0')];
  return x < y ? -1 : Number(x > y);
}

function canonicalValue(value: string | readonly string[] | undefined): string {
  return [value ?? ''].flat().join(',').trim().replace(/\s+/g, ' ');
}

/** Percent-encodes all but RFC 3986's unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
