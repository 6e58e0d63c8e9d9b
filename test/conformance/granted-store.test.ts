import { randomBytes } from 'node:crypto';
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createS3Client } from '../../adapters/aws/clients.ts';
import { collect } from '../../adapters/aws/object-body.ts';
import { createGrantedObjectStore } from '../../adapters/aws/object-store.ts';
import { createMemoryGranter } from '../../adapters/memory/granter.ts';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock, Grant } from '../../core/ports.ts';
import { type S3Cloud, startS3 } from './support/objects.ts';
import { fresh } from './support/samples.ts';

const WHOLE = { bytesMax: 64 * 1024 * 1024 };

/** Waits are over at once, and counted. */
function hurriedClock(): Clock & { sleeps: number } {
  const clock = {
    sleeps: 0,
    nowMs: systemClock.nowMs,
    async sleep(_ms: number, signal?: AbortSignal) {
      signal?.throwIfAborted();
      clock.sleeps += 1;
    },
  };
  return clock;
}

describe('the object store with a grant (embedded S3 and STS)', () => {
  let cloud: S3Cloud;
  beforeAll(async () => {
    cloud = await startS3();
  });
  afterAll(() => cloud.close());
  afterEach(() => {
    cloud.intercept = undefined;
    cloud.skewMs = 0;
  });

  const rights = { write: ['ns/mine/migrations/m1'], read: ['ns/mine'] };
  const granted = (
    renew: () => Promise<Grant> = () => cloud.granter.grant('m1.seed.a.h1', rights),
    clock = hurriedClock(),
  ) => createGrantedObjectStore({ renew, clock, random: systemRandom });

  it('creates below the write prefixes and reads below the read prefixes', async () => {
    const [store, key] = [granted(), `ns/mine/migrations/m1/packs/${fresh('p')}`];
    const bytes = randomBytes(5000);
    expect(await store.put(key, [bytes.subarray(0, 36), bytes.subarray(36)])).toBe('written');
    expect(await store.put(key, [bytes])).toBe('present');
    expect(Buffer.compare(await store.get(key, { offset: 10, length: 20 }), bytes.subarray(10, 30))).toBe(0);
    await cloud.here.put('ns/mine/layers/aa/root', [Buffer.from('root')]);
    expect((await store.tail('ns/mine/layers/aa/root', 2)).size).toBe(4);
    store.close();
  });

  it('does nothing beside its rights', async () => {
    const store = granted();
    for (const key of ['ns/mine/packs/x', 'ns/mine/migrations/m10/x', 'ns/other/migrations/m1/x', 'x']) {
      await expect(store.put(key, [Buffer.from('x')]), key).rejects.toMatchObject({ code: 'OBJECT_REFUSED' });
    }
    await cloud.here.put('ns/mine-too/x', [Buffer.from('secret')]);
    await expect(store.get('ns/mine-too/x', WHOLE)).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    await expect(store.get('ns/mine/packs/none', WHOLE)).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    store.close();
  });

  it('can replace nothing, whatever a client asks', async () => {
    const { credentials, bucket: Bucket, region, endpoint } = await cloud.granter.grant('m1.seed', rights);
    const client = createS3Client({ credentials, region, endpoint: endpoint! });
    const Key = `ns/mine/migrations/m1/${fresh('k')}`;
    const replacing = client.send(new PutObjectCommand({ Bucket, Key, Body: 'mine now' }));
    await expect(replacing).rejects.toMatchObject({ name: 'AccessDenied' });
    const listing = client.send(new ListObjectsV2Command({ Bucket, Prefix: 'ns/mine/' }));
    await expect(listing).rejects.toMatchObject({ name: 'AccessDenied' });
    client.destroy();
  });

  it('can remove nothing, not even what it made', async () => {
    const [store, key] = [granted(), `ns/mine/migrations/m1/packs/${fresh('p')}`];
    await store.put(key, [Buffer.from('stays')]);
    const { credentials, bucket: Bucket, region, endpoint } = await cloud.granter.grant('m1.seed', rights);
    const client = createS3Client({ credentials, region, endpoint: endpoint! });
    const removing = client.send(new DeleteObjectCommand({ Bucket, Key: key }));
    await expect(removing).rejects.toMatchObject({ name: 'AccessDenied' });
    expect(Buffer.from(await store.get(key, WHOLE)).toString()).toBe('stays');
    client.destroy();
    store.close();
  });

  it('who only reads writes nothing', async () => {
    const store = granted(() => cloud.granter.grant('m1.follow.web-1', { write: [], read: rights.read }));
    const putting = store.put('ns/mine/migrations/m1/packs/x', [Buffer.from('x')]);
    await expect(putting).rejects.toMatchObject({ code: 'OBJECT_REFUSED' });
    store.close();
  });

  it('no right is wider than its session policy can say', async () => {
    const tooMany = Array.from({ length: 40 }, (_, i) => `ns/default/migrations/m${i}-with-a-long-name`);
    for (const write of [tooMany, ['ns/*'], ['ns/$' + '{aws:userid}']]) {
      const refused = cloud.granter.grant('s', { write, read: [] });
      await expect(refused).rejects.toMatchObject({ code: 'GRANT_REFUSED' });
    }
    await expect(cloud.granter.grant('s', { write: [], read: [] })).rejects.toMatchObject({ code: 'GRANT_REFUSED' });
  });

  it('a long or odd session name is made fit', async () => {
    for (const session of [`m${'0'.repeat(20)}.seed.${'h'.repeat(150)}`, 'a/b c:d']) {
      const grant = await cloud.granter.grant(session, rights);
      expect(grant.expiresMs - systemClock.nowMs()).toBeGreaterThan((limits.grant_seconds - 5) * 1000);
      expect(grant).toMatchObject({ bucket: 'packs', endpoint: cloud.endpoint });
    }
  });

  it('asks anew when the store no longer knows its grant, and no more than once a call', async () => {
    const forgotten = { accessKeyId: 'ASIAFORGOTTEN0000000', secretAccessKey: 'x'.repeat(40), sessionToken: 'gone' };
    let asked = 0;
    const store = granted(async () => {
      const grant = await cloud.granter.grant('m1.seed', rights);
      asked += 1;
      return asked === 1 ? { ...grant, credentials: forgotten } : grant;
    });
    const key = `ns/mine/migrations/m1/${fresh('k')}`;
    expect(await store.put(key, [Buffer.from('kept')])).toBe('written');
    expect(Buffer.from(await store.get(key, WHOLE)).toString()).toBe('kept');
    expect(asked).toBe(2);
    store.close();
    const hopeless = granted(async () => ({
      ...(await cloud.granter.grant('m1.seed', rights)),
      credentials: forgotten,
    }));
    await expect(hopeless.get(key, WHOLE)).rejects.toMatchObject({ code: 'OBJECT_REFUSED' });
    hopeless.close();
  });

  it('asks for a grant when it is used first, once, and anew when it is about to end', async () => {
    const asked: number[] = [];
    const clock = hurriedClock();
    const store = granted(() => {
      // The first is as if it had been given almost as long ago as grants last.
      const agoMs = asked.push(asked.length) === 1 ? (limits.grant_seconds - 1) * 1000 : 0;
      clock.nowMs = () => systemClock.nowMs() - agoMs;
      return cloud.granter.grant('m1.seed', rights);
    }, clock);
    expect(asked).toHaveLength(0);
    await Promise.all(
      Array.from({ length: 4 }, (_, i) => store.put(`ns/mine/migrations/m1/${fresh('k')}${i}`, [randomBytes(9)])),
    );
    await store.put(`ns/mine/migrations/m1/${fresh('k')}`, [randomBytes(9)]);
    expect(asked).toHaveLength(2);
    store.close();
  });

  it('throws what the grant’s renewal throws, at once', async () => {
    const clock = hurriedClock();
    const store = granted(async () => {
      throw new LayerMoverError('ATTEMPT_STALE', 'over');
    }, clock);
    await expect(store.put('ns/mine/migrations/m1/x', [])).rejects.toMatchObject({ code: 'ATTEMPT_STALE' });
    await expect(store.get('ns/mine/x', WHOLE)).rejects.toMatchObject({ code: 'ATTEMPT_STALE' });
    expect(clock.sleeps).toBe(0);
  });

  it('sends a whole object again after a conflict, a busy store and a lost connection', async () => {
    const [clock, key] = [hurriedClock(), `ns/mine/migrations/m1/${fresh('k')}`];
    const store = granted(undefined, clock);
    const bytes = randomBytes(300_000);
    let calls = 0;
    cloud.intercept = (req, res) => {
      if (req.method !== 'PUT') return false;
      calls += 1;
      if (calls === 1) res.writeHead(409).end('<Error><Code>ConditionalRequestConflict</Code></Error>');
      else if (calls === 2) res.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
      else if (calls === 3) req.once('data', () => req.destroy());
      else return false;
      return true;
    };
    expect(await store.put(key, [bytes.subarray(0, 100), bytes.subarray(100)])).toBe('written');
    expect([calls, clock.sleeps]).toEqual([4, 3]);
    expect(Buffer.compare(await store.get(key, WHOLE), bytes)).toBe(0);
    store.close();
  });

  it('waits longer for a store that gives no answer than for one that says no', async () => {
    const clock = hurriedClock();
    const [store, key] = [granted(undefined, clock), `ns/mine/migrations/m1/${fresh('k')}`];
    let calls = 0;
    cloud.intercept = (req) => {
      if (req.method !== 'PUT' || ++calls > 3 * limits.agent_retry_attempts_max) return false;
      req.socket.destroy();
      return true;
    };
    expect(await store.put(key, [Buffer.from('x')])).toBe('written');
    expect(clock.sleeps).toBe(3 * limits.agent_retry_attempts_max);
    cloud.intercept = (_req, res) => {
      calls += 1;
      res.writeHead(500).end('<Error><Code>InternalError</Code></Error>');
      return true;
    };
    calls = 0;
    await expect(store.put(key, [])).rejects.toMatchObject({ code: 'OBJECT_STORE_FAILED' });
    expect(calls).toBe(limits.agent_retry_attempts_max);
    store.close();
  });

  it('says so at once when the store is full', async () => {
    const clock = hurriedClock();
    const store = granted(undefined, clock);
    cloud.intercept = (req, res) => {
      if (req.method !== 'PUT') return false;
      res.writeHead(507).end('<Error><Code>InsufficientCapacity</Code></Error>');
      return true;
    };
    const full = store.put('ns/mine/migrations/m1/x', [randomBytes(9)]);
    await expect(full).rejects.toMatchObject({ code: 'OBJECT_STORE_FULL', hint: expect.stringContaining('resume') });
    expect(clock.sleeps).toBe(0);
    store.close();
  });

  it('reads again what broke off or came too short, and gives up in the end', async () => {
    const clock = hurriedClock();
    const store = granted(undefined, clock);
    const [key, bytes] = [`ns/mine/migrations/m1/${fresh('k')}`, randomBytes(1000)];
    await store.put(key, [bytes]);
    let calls = 0;
    cloud.intercept = (req, res) => {
      if (req.method !== 'GET') return false;
      calls += 1;
      if (calls === 2) return false;
      res.writeHead(200, { 'content-length': 1000 }).write(bytes.subarray(0, 400), () => res.destroy());
      return true;
    };
    expect(Buffer.compare(await store.get(key, WHOLE), bytes)).toBe(0);
    await expect(store.get(key, WHOLE)).rejects.toMatchObject({ code: 'OBJECT_STORE_FAILED', data: { key } });
    expect(calls).toBe(2 + limits.agent_away_attempts_max);
    store.close();
  });

  it('a range that comes back short is refused', async () => {
    const store = granted();
    const [key, bytes] = [`ns/mine/migrations/m1/${fresh('k')}`, randomBytes(1000)];
    await store.put(key, [bytes]);
    cloud.intercept = (req, res) => {
      if (req.method !== 'GET') return false;
      res.writeHead(206, { 'content-length': 5, 'content-range': 'bytes 0-4/1000' }).end('short');
      return true;
    };
    const refused = store.get(key, { offset: 0, length: 10 });
    await expect(refused).rejects.toMatchObject({ code: 'OBJECT_RANGE' });
    store.close();
  });

  it('ends at once with the reason of its signal', async () => {
    const abort = new AbortController();
    const renew = () => cloud.granter.grant('m1.seed', rights);
    const store = createGrantedObjectStore({ renew, clock: systemClock, random: systemRandom, signal: abort.signal });
    cloud.intercept = (req) => {
      if (req.method !== 'GET') return false;
      abort.abort(new LayerMoverError('ABORTED', 'the user said so'));
      return true;
    };
    await expect(store.get('ns/mine/x', WHOLE)).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(store.put('ns/mine/migrations/m1/x', [])).rejects.toMatchObject({ code: 'ABORTED' });
    store.close();
  });

  it('learns the store’s time when this machine’s clock is wrong', async () => {
    cloud.skewMs = 3_600_000;
    cloud.intercept = (_req, res) => {
      res.setHeader('date', new Date(systemClock.nowMs() + cloud.skewMs).toUTCString());
      return false;
    };
    const store = granted();
    expect(await store.put(`ns/mine/migrations/m1/${fresh('k')}`, [randomBytes(9)])).toBe('written');
    store.close();
  });
});

describe('a body of a known length', () => {
  const wrong = () => new Error('wrong');
  async function* body(...parts: string[]) {
    for (const part of parts) yield Buffer.from(part);
  }

  it('is collected if it has that length, and refused otherwise', async () => {
    expect(String(await collect(body('ab', '', 'c'), 3, wrong))).toBe('abc');
    await expect(collect(body('ab'), 3, wrong)).rejects.toThrow('wrong');
    await expect(collect(body('ab', 'cd'), 3, wrong)).rejects.toThrow('wrong');
  });
});

describe('the memory granter', () => {
  it('tells what it granted, until when', async () => {
    const clock = createManualClock();
    const granter = createMemoryGranter(clock, 'bucket');
    const grant = await granter.grant('m1.seed', { write: ['a'], read: ['b'] });
    expect(grant).toMatchObject({ bucket: 'bucket', expiresMs: clock.nowMs() + limits.grant_seconds * 1000 });
    expect(granter.granted).toEqual([{ session: 'm1.seed', write: ['a'], read: ['b'] }]);
  });
});
