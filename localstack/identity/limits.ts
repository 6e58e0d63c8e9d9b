/** Bounds of the embedded identity service; where AWS has one, it is the same. */
export const IDENTITY_LIMITS = {
  /** Session keys held at a time; expired ones make room first. */
  maxSessionKeys: 10_000,
  /** Characters of a session policy (STS: 2,048). */
  maxPolicyChars: 2_048,
  minSessionSeconds: 900,
  maxSessionSeconds: 43_200,
  defaultSessionSeconds: 3_600,
  /** A session that assumes a role (role chaining) gets an hour at most. */
  maxChainedSessionSeconds: 3_600,
  /** How far a request's time may lie from ours. */
  maxClockSkewMs: 15 * 60_000,
  /** Derived keys that are kept. */
  signingKeysMax: 10_000,
  /** A presigned URL lives a week at most. */
  maxPresignSeconds: 604_800,
} as const;
