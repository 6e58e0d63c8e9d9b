/** A refused request as its service words it. */
export interface AuthError {
  readonly code: string;
  readonly message: string;
  readonly status: number;
}

/** Why a signature was refused, before it is put in a service's words. */
export type Reason =
  | 'missing'
  | 'malformed'
  | 'malformedQuery'
  | 'unknownKey'
  | 'badToken'
  | 'expiredToken'
  | 'skewed'
  | 'expiredRequest'
  | 'wrongScope'
  | 'unsignedHeader'
  | 'payload'
  | 'mismatch';

type Style = 's3' | 'query' | 'rest' | 'json';
type Wording = readonly [code: string, status: number];

const UNKNOWN_CLIENT = 'UnrecognizedClientException';
const INVALID_SIGNATURE = 'InvalidSignatureException';
const INCOMPLETE = 'IncompleteSignatureException';
const MISSING = 'MissingAuthenticationTokenException';
const EXPIRED = 'ExpiredTokenException';

/** Services agree on what to refuse, not on what to call it. */
const WORDING: Readonly<Record<Reason, Readonly<Record<Style, Wording>>>> = {
  missing: {
    s3: ['AccessDenied', 403],
    query: ['MissingAuthenticationToken', 403],
    rest: [MISSING, 403],
    json: [MISSING, 400],
  },
  malformed: incomplete(['AuthorizationHeaderMalformed', 400]),
  malformedQuery: incomplete(['AuthorizationQueryParametersError', 400]),
  unknownKey: unknownClient(['InvalidAccessKeyId', 403]),
  badToken: unknownClient(['InvalidToken', 400]),
  expiredToken: { s3: ['ExpiredToken', 400], query: ['ExpiredToken', 403], rest: [EXPIRED, 403], json: [EXPIRED, 400] },
  skewed: invalidSignature(['RequestTimeTooSkewed', 403]),
  expiredRequest: invalidSignature(['AccessDenied', 403]),
  wrongScope: invalidSignature(['AuthorizationHeaderMalformed', 400]),
  unsignedHeader: invalidSignature(['AccessDenied', 403]),
  payload: invalidSignature(['NotImplemented', 501]),
  mismatch: invalidSignature(['SignatureDoesNotMatch', 403]),
};

function incomplete(s3: Wording): Record<Style, Wording> {
  return { s3, query: ['IncompleteSignature', 400], rest: [INCOMPLETE, 403], json: [INCOMPLETE, 400] };
}

function unknownClient(s3: Wording): Record<Style, Wording> {
  return { s3, query: ['InvalidClientTokenId', 403], rest: [UNKNOWN_CLIENT, 403], json: [UNKNOWN_CLIENT, 400] };
}

function invalidSignature(s3: Wording): Record<Style, Wording> {
  return { s3, query: ['SignatureDoesNotMatch', 403], rest: [INVALID_SIGNATURE, 403], json: [INVALID_SIGNATURE, 400] };
}

const STYLES: Readonly<Record<string, Style>> = { s3: 's3', sts: 'query', 'execute-api': 'rest' };

/** The error that `service` gives for `reason`: S3's XML codes, the query API's, API Gateway's, or the JSON protocols'. */
export function authError(service: string, reason: Reason, message: string): AuthError {
  const [code, status] = WORDING[reason][STYLES[service] ?? 'json'];
  return { code, status, message };
}

/** Thrown inside the verification, caught at its edge. */
export class Refusal extends Error {
  readonly reason: Reason;

  constructor(reason: Reason, message: string) {
    super(message);
    this.reason = reason;
  }
}
