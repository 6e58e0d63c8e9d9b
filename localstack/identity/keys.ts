import { randomBytes, randomInt } from 'node:crypto';
import { IDENTITY_LIMITS } from './limits.ts';
import { type PolicyDocument, parsePolicy } from './policy.ts';

/** A key pair and whom it speaks for. With a session token it is a session's, which ends at `expiresAtMs`. */
export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly arn: string;
  readonly account: string;
  /** What the session may do; without one, everything. */
  readonly policy?: PolicyDocument;
  /** Milliseconds since 1970. */
  readonly expiresAtMs?: number;
}

export interface KeyRequest {
  readonly arn: string;
  /** An object or JSON text; throws PolicyError if it holds what can't be enforced. */
  readonly policy?: unknown;
  /** Makes it a session key. */
  readonly ttlSeconds?: number;
}

/** No room for another session: all of `maxSessionKeys` are still valid. */
export class TooManySessionsError extends Error {
  override readonly name = 'TooManySessionsError';
}

/** The access keys of one embedded cloud, in memory. */
export class KeyStore {
  readonly #clock: { nowMs(): number };
  readonly #permanent = new Map<string, AccessKey>();
  readonly #sessions = new Map<string, AccessKey>();

  constructor(clock: { nowMs(): number }) {
    this.#clock = clock;
  }

  /** A new random key. Throws PolicyError or TooManySessionsError. */
  issue({ arn, policy, ttlSeconds }: KeyRequest): AccessKey {
    const key: AccessKey = {
      accessKeyId: randomId(ttlSeconds === undefined ? 'AKIA' : 'ASIA'),
      secretAccessKey: randomBytes(30).toString('base64'),
      arn,
      account: accountOf(arn),
      ...(policy === undefined ? {} : { policy: parsePolicy(policy) }),
      ...(ttlSeconds === undefined
        ? {}
        : { sessionToken: randomBytes(96).toString('base64'), expiresAtMs: this.#clock.nowMs() + ttlSeconds * 1000 }),
    };
    this.add(key);
    return key;
  }

  /** Takes a key made elsewhere, as the composition's own. Throws TooManySessionsError. */
  add(key: AccessKey): void {
    if (key.sessionToken === undefined) {
      this.#permanent.set(key.accessKeyId, key);
      return;
    }
    if (this.#sessions.size >= IDENTITY_LIMITS.maxSessionKeys) this.#dropExpired();
    if (this.#sessions.size >= IDENTITY_LIMITS.maxSessionKeys) throw new TooManySessionsError('too many sessions');
    this.#sessions.set(key.accessKeyId, key);
  }

  /** The key, even one lately expired: the caller tells "expired" from "unknown" by `expiresAtMs`. */
  find(accessKeyId: string): AccessKey | undefined {
    return this.#permanent.get(accessKeyId) ?? this.#sessions.get(accessKeyId);
  }

  #dropExpired(): void {
    const now = this.#clock.nowMs();
    for (const [id, { expiresAtMs }] of this.#sessions) {
      if (expiresAtMs !== undefined && expiresAtMs <= now) this.#sessions.delete(id);
    }
  }
}

const ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const ID_CHARS = 16;

/** An identifier of AWS's form: a four-letter kind and 16 characters of base 32. */
export function randomId(kind: 'AKIA' | 'ASIA' | 'AROA'): string {
  return kind + Array.from({ length: ID_CHARS }, () => ID_ALPHABET[randomInt(ID_ALPHABET.length)]).join('');
}

/** The fifth field of `arn:partition:service:region:account:resource`. */
function accountOf(arn: string): string {
  const account = arn.split(':')[4];
  if (!account) throw new TypeError(`no account in ${arn}`);
  return account;
}
