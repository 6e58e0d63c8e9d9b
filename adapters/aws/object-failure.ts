import { S3ServiceException } from '@aws-sdk/client-s3';
import { LayerMoverError } from '../../core/errors.ts';
import { final, type RetryPolicy, retry } from '../retry.ts';

/** Conflicts of two conditional writers and sockets that S3 gave up. */
const TRANSIENT_NAMES = ['ConditionalRequestConflict', 'RequestTimeout'];

/** What a store that can be full (the embedded one) says then. */
const FULL = 'InsufficientCapacity';

/** What the SDK also tells of an answer, though its types do not. */
type Metadata = S3ServiceException['$metadata'] & { readonly clockSkewCorrected?: boolean };

/** True if trying again may help: no answer came, S3 asks for it, or the SDK has just learned this machine's clock skew. */
function isTransient(error: unknown): boolean {
  if (error instanceof LayerMoverError) return false;
  if (!(error instanceof S3ServiceException)) return true;
  if (error.name === FULL) return false;
  const { httpStatusCode: status = 500, clockSkewCorrected } = error.$metadata as Metadata;
  return status >= 500 || status === 429 || TRANSIENT_NAMES.includes(error.name) || clockSkewCorrected === true;
}

/** True if the error is S3's and has one of these names. */
export function isNamed(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof S3ServiceException && names.includes(error.name);
}

/** Credentials that S3 does not know or takes no longer: a fresh grant may help. */
const STALE_NAMES = ['ExpiredToken', 'InvalidAccessKeyId', 'InvalidToken', 'TokenRefreshRequired'];

/** True if the store refused the credentials as such, not what they were used for. */
export function isGrantStale(error: unknown): boolean {
  return error instanceof LayerMoverError && isNamed(error.cause, ...STALE_NAMES);
}

/** What S3 refused, as an error of ours; an error of ours stays as it is. */
function objectFailure(doing: string, key: string, error: unknown): LayerMoverError {
  if (error instanceof LayerMoverError) return error;
  if (isNamed(error, 'AccessDenied', 'SignatureDoesNotMatch', ...STALE_NAMES)) {
    return new LayerMoverError('OBJECT_REFUSED', `no right to ${doing} ${key}`, { data: { key }, cause: error });
  }
  if (isNamed(error, FULL)) {
    return new LayerMoverError('OBJECT_STORE_FULL', `the object store has no room for ${key}`, {
      hint: 'free room where the store keeps its objects, then `layermover resume`',
      data: { key },
      cause: error,
    });
  }
  return new LayerMoverError('OBJECT_STORE_FAILED', `could not ${doing} ${key}`, {
    hint: 'check the network and the store, then run it again',
    data: { key },
    cause: error,
  });
}

export type Attempts = <T>(doing: string, key: string, work: () => Promise<T>) => Promise<T>;

export interface StorePolicy extends RetryPolicy {
  /** How often a store is asked that gives no answer at all; as often as one that says no unless set. */
  readonly awayAttempts?: number;
}

/** Does a request of S3 until it succeeds or trying again does not help, and throws what failed as an error of ours. */
export function createAttempts(policy: StorePolicy): Attempts {
  return (doing, key, work) => {
    let answered = 0;
    const once = () =>
      work().catch((error) => {
        const failure = objectFailure(doing, key, error);
        if (error instanceof S3ServiceException) answered++;
        throw isTransient(error) && answered < policy.attempts ? failure : final(failure);
      });
    return retry(once, { ...policy, attempts: policy.awayAttempts ?? policy.attempts });
  };
}
