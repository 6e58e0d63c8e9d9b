import pRetry, { AbortError } from 'p-retry';
import type { Clock, Random } from '../core/ports.ts';

export interface RetryPolicy {
  readonly clock: Clock;
  readonly random: Random;
  readonly attempts: number;
  /** The first wait is up to this long; each later one up to twice as long as the one before. Milliseconds. */
  readonly firstMs: number;
  readonly maxMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Does `work` again while it throws, waiting a random time between (full jitter), and throws its last error. What `work` throws as `final` ends it at once. */
export function retry<T>(work: (attempt: number) => Promise<T>, policy: RetryPolicy): Promise<T> {
  return pRetry(work, {
    retries: policy.attempts - 1,
    minTimeout: 0,
    ...(policy.signal === undefined ? {} : { signal: policy.signal }),
    onFailedAttempt: async ({ attemptNumber, retriesLeft }) => {
      const longest = Math.min(policy.maxMs, policy.firstMs * 2 ** (attemptNumber - 1));
      if (retriesLeft > 0) await policy.clock.sleep(longest * fraction(policy.random), policy.signal);
    },
  });
}

/** Marks an error that trying again does not help. */
export function final(error: Error): Error {
  return new AbortError(error);
}

/** Uniform in [0, 1). */
function fraction(random: Random): number {
  return Buffer.from(random.bytes(4)).readUInt32BE() / 2 ** 32;
}
