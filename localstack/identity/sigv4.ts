import { timingSafeEqual } from 'node:crypto';
import { type AuthError, authError, Refusal } from './auth-errors.ts';
import { type Query, type SignedRequest, signatureOf, splitRawPath } from './canonical.ts';
import { amzDateMs, type Claim, readClaim } from './credentials.ts';
import type { AccessKey, KeyStore } from './keys.ts';
import { IDENTITY_LIMITS } from './limits.ts';

export type { AuthError } from './auth-errors.ts';
export type { SignedRequest } from './canonical.ts';

export interface VerifyOptions {
  readonly keys: KeyStore;
  /** The service and region that must stand in the signature's scope, as `execute-api`, `eu-central-1`. */
  readonly service: string;
  readonly region: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /**
   * SHA-256 of the body in hex, as the caller computed it. For S3 the value declared in `x-amz-content-sha256`: the
   * caller compares it with the body as that arrives. UNSIGNED-PAYLOAD forms are taken for S3 only.
   */
  readonly payloadHash: string;
}

const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

/**
 * Checks a request's Signature Version 4, in the Authorization header or presigned in the query: who signed it, or the
 * error in the service's own words. Source: "Signing AWS API requests" in the IAM user guide.
 */
export function verifySigV4(request: SignedRequest, options: VerifyOptions): { key: AccessKey } | { error: AuthError } {
  try {
    return { key: verify(request, options) };
  } catch (error) {
    if (error instanceof URIError) return { error: authError(options.service, 'mismatch', 'Bad percent-encoding') };
    if (error instanceof Refusal) return { error: authError(options.service, error.reason, error.message) };
    throw error;
  }
}

function verify(request: SignedRequest, options: VerifyOptions): AccessKey {
  const { query } = splitRawPath(request.rawPath);
  const claim = readClaim(request.headers, query);
  checkScope(claim, options);
  checkSignedHeaders(claim, request);
  const key = findKey(claim, options);
  checkSignature(request, query, claim, key, options);
  checkTime(claim, key, options.nowMs);
  return key;
}

function checkScope(claim: Claim, { service, region }: VerifyOptions): void {
  if (claim.service !== service) {
    throw new Refusal('wrongScope', `Credential should be scoped to correct service: '${service}'`);
  }
  if (claim.region !== region) {
    throw new Refusal('wrongScope', `the region '${claim.region}' is wrong; expecting '${region}'`);
  }
  if (claim.scopeDate !== claim.amzDate.slice(0, 8)) {
    const dates = `'${claim.scopeDate}' != '${claim.amzDate.slice(0, 8)}'`;
    throw new Refusal('wrongScope', `Date in Credential scope does not match YYYYMMDD of the request: ${dates}`);
  }
}

/** What decides a request's meaning must be signed: the host, and every x-amz- header there is. */
function checkSignedHeaders(claim: Claim, { headers }: SignedRequest): void {
  const signed = new Set(claim.signedHeaders);
  const needed = ['host', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))];
  const unsigned = needed.filter((name) => !signed.has(name));
  if (unsigned.length > 0) {
    const message = `There were headers present in the request which were not signed: ${unsigned.join(', ')}`;
    throw new Refusal('unsignedHeader', message);
  }
}

function findKey({ accessKeyId, sessionToken }: Claim, { keys }: VerifyOptions): AccessKey {
  const key = keys.find(accessKeyId);
  if (key === undefined) throw new Refusal('unknownKey', 'The AWS Access Key Id you provided does not exist');
  if (!equal(key.sessionToken ?? '', sessionToken ?? '')) {
    throw new Refusal('badToken', 'The security token included in the request is invalid');
  }
  return key;
}

function checkSignature(request: SignedRequest, query: Query, claim: Claim, key: AccessKey, options: VerifyOptions) {
  const payloadHash = signedPayload(claim, options);
  const expected = signatureOf(request, query, claim, key.secretAccessKey, payloadHash);
  if (equal(expected, claim.signature)) return;
  throw new Refusal(
    'mismatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  );
}

function signedPayload({ presigned }: Claim, { service, payloadHash }: VerifyOptions): string {
  if (service === 's3' && presigned) return UNSIGNED_PAYLOAD;
  if (/^[0-9a-f]{64}$/.test(payloadHash)) return payloadHash;
  if (service === 's3' && [UNSIGNED_PAYLOAD, UNSIGNED_TRAILER].includes(payloadHash)) return payloadHash;
  throw new Refusal('payload', `The payload hash ${payloadHash || '(none)'} is not supported`);
}

function checkTime({ amzDate, expiresSeconds }: Claim, { expiresAtMs }: AccessKey, nowMs: number): void {
  const signedMs = amzDateMs(amzDate);
  const ageMs = nowMs - signedMs;
  const { maxClockSkewMs } = IDENTITY_LIMITS;
  if (!(ageMs >= -maxClockSkewMs) || (expiresSeconds === undefined && ageMs > maxClockSkewMs)) {
    const [theirs, ours] = [amzDate, new Date(nowMs).toISOString()];
    throw new Refusal('skewed', `The difference between the request time ${theirs} and ${ours} is too large.`);
  }
  if (expiresSeconds !== undefined && ageMs > expiresSeconds * 1000) {
    throw new Refusal('expiredRequest', 'Request has expired');
  }
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) {
    throw new Refusal('expiredToken', 'The security token included in the request is expired');
  }
}

/** Constant-time for texts of one length. */
function equal(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
