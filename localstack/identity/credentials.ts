import type { IncomingHttpHeaders } from 'node:http';
import { Refusal } from './auth-errors.ts';
import { IDENTITY_LIMITS } from './limits.ts';

/** What a request claims about its signature, from the Authorization header or from a presigned query. */
export interface Claim {
  readonly presigned: boolean;
  readonly accessKeyId: string;
  /** YYYYMMDD */
  readonly scopeDate: string;
  readonly region: string;
  readonly service: string;
  /** Lower case, in the order signed. */
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** YYYYMMDDTHHMMSSZ */
  readonly amzDate: string;
  readonly sessionToken: string | undefined;
  /** Of a presigned request: how long it is good for. */
  readonly expiresSeconds: number | undefined;
}

type Query = readonly (readonly [string, string])[];

const ALGORITHM = 'AWS4-HMAC-SHA256';
const HEADER =
  /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})\s*$/;
const SIGNATURE = /^[0-9a-f]{64}$/;
const AMZ_DATE = /^\d{8}T\d{6}Z$/;

/** Reads the claim. Throws Refusal: none, two of them, or malformed. */
export function readClaim(headers: IncomingHttpHeaders, query: Query): Claim {
  const fields = new Map(query);
  const presigned = fields.has('X-Amz-Signature') || fields.has('X-Amz-Algorithm');
  if (headers.authorization === undefined) {
    if (!presigned) throw new Refusal('missing', 'Missing Authentication Token');
    return readQueryClaim(fields);
  }
  if (presigned) throw new Refusal('malformed', 'Only one auth mechanism allowed');
  return readHeaderClaim(headers.authorization, headers);
}

function readHeaderClaim(authorization: string, headers: IncomingHttpHeaders): Claim {
  const [, credential, signedHeaders, signature] = HEADER.exec(authorization) ?? [];
  if (credential === undefined || signedHeaders === undefined || signature === undefined) {
    throw new Refusal('malformed', 'The authorization header is malformed');
  }
  return {
    presigned: false,
    ...readCredential(credential, 'malformed'),
    signedHeaders: signedHeaders.split(';'),
    signature,
    amzDate: readDate(single(headers['x-amz-date']) ?? amzDateOf(headers.date), 'malformed'),
    sessionToken: single(headers['x-amz-security-token']),
    expiresSeconds: undefined,
  };
}

function readQueryClaim(fields: ReadonlyMap<string, string>): Claim {
  const malformed = (what: string) => new Refusal('malformedQuery', `X-Amz-${what} is missing or malformed`);
  const signature = fields.get('X-Amz-Signature') ?? '';
  const expires = fields.get('X-Amz-Expires') ?? '';
  const signedHeaders = fields.get('X-Amz-SignedHeaders');
  if (fields.get('X-Amz-Algorithm') !== ALGORITHM) throw malformed('Algorithm');
  if (!SIGNATURE.test(signature)) throw malformed('Signature');
  if (!signedHeaders) throw malformed('SignedHeaders');
  if (!/^\d{1,6}$/.test(expires) || Number(expires) > IDENTITY_LIMITS.maxPresignSeconds) throw malformed('Expires');
  return {
    presigned: true,
    ...readCredential(fields.get('X-Amz-Credential') ?? '', 'malformedQuery'),
    signedHeaders: signedHeaders.split(';'),
    signature,
    amzDate: readDate(fields.get('X-Amz-Date'), 'malformedQuery'),
    sessionToken: fields.get('X-Amz-Security-Token'),
    expiresSeconds: Number(expires),
  };
}

/** `KEY/YYYYMMDD/region/service/aws4_request` */
function readCredential(credential: string, reason: 'malformed' | 'malformedQuery') {
  const [accessKeyId, scopeDate, region, service, terminator, ...rest] = credential.split('/');
  if (!accessKeyId || !scopeDate || !region || !service || terminator !== 'aws4_request' || rest.length > 0) {
    throw new Refusal(reason, 'The Credential is mal-formed; expecting "<KEY>/YYYYMMDD/REGION/SERVICE/aws4_request"');
  }
  return { accessKeyId, scopeDate, region, service };
}

function readDate(date: string | undefined, reason: 'malformed' | 'malformedQuery'): string {
  if (date !== undefined && AMZ_DATE.test(date)) return date;
  throw new Refusal(reason, 'a valid x-amz-date is required');
}

function amzDateOf(httpDate: string | undefined): string | undefined {
  const ms = Date.parse(httpDate ?? '');
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

/** Milliseconds since 1970 of YYYYMMDDTHHMMSSZ; NaN for a date that does not exist. */
export function amzDateMs(date: string): number {
  return Date.parse(date.replace(/^(.{4})(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}
