import type { S3Client } from '@aws-sdk/client-s3';
import { limits } from '../../core/limits.ts';
import type { Clock, Grant, ObjectStore, Random } from '../../core/ports.ts';
import { createBucketObjects } from './bucket-objects.ts';
import { createS3Client } from './clients.ts';
import { isGrantStale } from './object-failure.ts';

export interface GrantedStoreOptions {
  /** Asks for a grant: at the first use, and again some minutes before a grant ends. What it throws, the call that needed it throws. */
  readonly renew: () => Promise<Grant>;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends every request under way with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface GrantedObjectStore extends ObjectStore {
  /** Ends its connections. */
  close(): void;
}

/** The object store as one task may use it. Throws OBJECT_REFUSED, OBJECT_STORE_FULL and OBJECT_STORE_FAILED beside what the port says. */
export function createGrantedObjectStore({ renew, clock, random, signal }: GrantedStoreOptions): GrantedObjectStore {
  const retry = {
    clock,
    random,
    attempts: limits.agent_retry_attempts_max,
    awayAttempts: limits.agent_away_attempts_max,
    firstMs: limits.agent_retry_first_ms,
    maxMs: limits.agent_retry_ms_max,
    signal,
  };
  let client: S3Client | undefined;
  let opened: Promise<ObjectStore> | undefined;

  async function open(): Promise<ObjectStore> {
    const first = await renew();
    client?.destroy();
    client = clientOf(first, renew, clock);
    return createBucketObjects({ client, bucket: first.bucket, retry });
  }

  function store(): Promise<ObjectStore> {
    opened ??= open().catch((error) => {
      opened = undefined;
      throw error;
    });
    return opened;
  }

  /** Once more with a fresh grant if the store takes this one no longer: it forgot its sessions, or the clock jumped. */
  async function granted<T>(work: (objects: ObjectStore) => Promise<T>): Promise<T> {
    const used = store();
    try {
      return await work(await used);
    } catch (error) {
      if (!isGrantStale(error)) throw error;
      if (opened === used) opened = undefined;
      return work(await store());
    }
  }

  return {
    put: (key, parts) => granted((objects) => objects.put(key, parts)),
    get: (key, part) => granted((objects) => objects.get(key, part)),
    tail: (key, bytes) => granted((objects) => objects.tail(key, bytes)),
    close: () => client?.destroy(),
  };
}

/**
 * A client that starts with the grant at hand; the SDK asks for the next one some minutes before this one ends. When that
 * is follows from how long grants last, not from what they say: the cloud's clock may be another than this machine's.
 */
function clientOf(first: Grant, renew: () => Promise<Grant>, clock: Clock): S3Client {
  let atHand: Grant | undefined = first;
  return createS3Client({
    region: first.region,
    ...(first.endpoint === undefined ? {} : { endpoint: first.endpoint }),
    credentials: async () => {
      const { credentials } = atHand ?? (await renew());
      atHand = undefined;
      return { ...credentials, expiration: new Date(clock.nowMs() + limits.grant_seconds * 1000) };
    },
  });
}
