import { limits } from '../limits.ts';

/** What a push's look-ups have come to so far. Milliseconds, and raw bytes. */
export interface LookedUp {
  readonly batches: number;
  /** The index had them. */
  readonly foundBytes: number;
  /** It had not: they were read and sent. */
  readonly sentBytes: number;
  /** How long the push stood still for an answer. */
  readonly waitedMs: number;
  /** How long it has run, waiting included. */
  readonly elapsedMs: number;
}

/**
 * True as long as asking the index is worth its while: sending what it had would have taken longer than its answers
 * were waited for. Known after `limits.lookup_trial_batches`; a push that has sent nothing has found all of it.
 */
export function lookupsPay({ batches, foundBytes, sentBytes, waitedMs, elapsedMs }: LookedUp): boolean {
  if (batches < limits.lookup_trial_batches || sentBytes === 0) return true;
  const savedMs = (foundBytes * Math.max(0, elapsedMs - waitedMs)) / sentBytes;
  return savedMs >= waitedMs;
}
