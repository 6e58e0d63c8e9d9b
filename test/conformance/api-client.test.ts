import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ApiClient, createApiClient } from '../../adapters/api/client.ts';
import { createManualClock, type ManualClock } from '../../adapters/memory/manual-clock.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { KeyStore } from '../../localstack/identity/keys.ts';
import { verifySigV4 } from '../../localstack/identity/sigv4.ts';
import { freshMigration } from './support/samples.ts';

const REGION = 'eu-central-1';
type Response = Parameters<RequestListener>[1];
interface Seen {
  method: string;
  url: string;
  namespace: unknown;
  type: unknown;
  body: Buffer;
}

describe('the API client', () => {
  let server: Server;
  let url: string;
  const clock: ManualClock = createManualClock();
  const keys = new KeyStore(clock);
  const session = keys.issue({ arn: 'arn:aws:sts::111122223333:assumed-role/agent/h1', ttlSeconds: 3600 });
  const seen: Seen[] = [];
  let answer: (res: Response, call: number) => void;
  /** How far the API's clock is ahead of the client's. */
  let aheadMs = 0;

  beforeAll(async () => {
    server = createServer(async (req, res) => {
      const nowMs = clock.nowMs() + aheadMs;
      res.setHeader('date', new Date(nowMs).toUTCString());
      const body = await buffer(req);
      const { method = '', url: rawPath = '', headers } = req;
      const expected = {
        keys,
        service: 'execute-api',
        region: REGION,
        nowMs,
        payloadHash: toHex(sha256(body)),
      };
      const verdict = verifySigV4({ method, rawPath, headers }, expected);
      if ('error' in verdict) return void res.writeHead(403).end('{"message":"Forbidden"}');
      seen.push({
        method,
        url: rawPath,
        namespace: headers['x-layermover-namespace'],
        type: headers['content-type'],
        body,
      });
      answer(res, seen.length);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prod/`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    seen.length = 0;
    aheadMs = 0;
    answer = (res) => json(res, 200, { ok: true });
  });

  const client = (options: Partial<Parameters<typeof createApiClient>[0]> = {}): ApiClient =>
    createApiClient({ url, region: REGION, credentials: session, namespace: 'team-a', clock, ...options });

  function json(res: Response, status: number, body: unknown): void {
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  /** Lets the clock run while a call waits between its attempts. */
  async function hurried<T>(call: Promise<T>): Promise<T> {
    let isDone = false;
    const done = call.finally(() => {
      isDone = true;
    });
    done.catch(() => {});
    while (!isDone) await clock.advance(50);
    return done;
  }

  const poll = { instance: '0'.repeat(16), free_bytes: 1, running: [], following: [], awaiting: [] };

  it('signs path, query, headers and body as the gateway reads them', async () => {
    const task = `${freshMigration()}.seed.a_b-c.h1`;
    const asked = Buffer.from([0, 255, 10, 13]);
    answer = (res) => res.end(Buffer.from([1, 2, 3]));
    const got = await client().call('checkFingerprints', { query: { task, attempt: 2 }, body: asked });
    expect([...got]).toEqual([1, 2, 3]);
    expect(seen).toMatchObject([
      { method: 'POST', url: `/prod/fingerprints?task=${task}&attempt=2`, namespace: 'team-a', body: asked },
    ]);
    expect(seen[0]?.type).toBe('application/octet-stream');
  });

  it('fills the path and sends JSON', async () => {
    answer = (res) => json(res, 200, { tasks: [], cancelled: [], rounds: [], receipts: [], incoming: [], settled: [] });
    const got = await client().call('poll', { params: { site: 'a', host: 'h1' }, body: poll });
    expect(got.tasks).toEqual([]);
    expect(seen).toMatchObject([{ method: 'POST', url: '/prod/hosts/a/h1/poll', type: 'application/json' }]);
    expect(JSON.parse(String(seen[0]?.body))).toEqual(poll);
  });

  it('calls what needs nothing with nothing, and signs odd characters of a query', async () => {
    answer = (res) => json(res, 200, seen.length === 1 ? { hosts: [] } : { layers: [], next: 'x' });
    expect(await client().call('listHosts')).toEqual({ hosts: [] });
    const after = "a b+c/d:e'(f)*!~%";
    expect(await client().call('listLayers', { query: { after, limit: 5 } })).toEqual({ layers: [], next: 'x' });
    expect(new URL(seen[1]!.url, url).searchParams.get('after')).toBe(after);
  });

  it('takes credentials from a provider, and throws what it throws at once', async () => {
    const credentials = async () => session;
    expect(
      await client({ credentials })
        .call('grant', { params: { task: 't' }, body: { attempt: 1 } })
        .catch((e) => e.code),
    ).toBe('API_ANSWER_INVALID');
    const failing = client({
      credentials: async () => {
        throw new Error('no credentials');
      },
    });
    await expect(failing.call('listHosts')).rejects.toThrow('no credentials');
    expect(seen).toHaveLength(1);
  });

  it('throws what the API refuses, as it says, at once', async () => {
    const problem = { type: 'about:blank', title: 'Conflict', status: 409, code: 'EPOCH_STALE', detail: 'too late' };
    answer = (res) => json(res, 409, { ...problem, hint: 'leave it', data: { epoch: 3 } });
    await expect(client().call('abortMigration', { params: { migration: 'm1' } })).rejects.toMatchObject({
      name: 'LayerMoverError',
      code: 'EPOCH_STALE',
      message: 'too late',
      hint: 'leave it',
      data: { epoch: 3 },
    });
    expect(seen).toHaveLength(1);
  });

  it('says what a gateway refuses in words of its own', async () => {
    const wrong = client({ credentials: { ...session, secretAccessKey: 'wrong' } });
    await expect(wrong.call('listHosts')).rejects.toMatchObject({ code: 'CALLER_REFUSED', data: { status: 403 } });
    answer = (res) => res.writeHead(413).end();
    await expect(client().call('listHosts')).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' });
    answer = (res) => res.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    await expect(hurried(client().call('listHosts'))).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
  });

  it.each([3_600_000, -86_400_000])('goes by the API’s time when its own is %i ms behind', async (ms) => {
    const own = client({ credentials: keys.issue({ arn: 'arn:aws:sts::111122223333:assumed-role/agent/h2' }) });
    answer = (res) => json(res, 200, { hosts: [] });
    await own.call('listHosts');
    aheadMs = ms;
    await hurried(own.call('listHosts'));
    await own.call('listHosts');
    expect(seen).toHaveLength(3);
  });

  it('does not blame the clock for credentials that are wrong', async () => {
    aheadMs = 3_600_000;
    const stranger = client({ credentials: { accessKeyId: 'AKIANOBODY0000000000', secretAccessKey: 'x' } });
    const refused = hurried(stranger.call('listHosts'));
    await expect(refused).rejects.toMatchObject({ code: 'CALLER_REFUSED' });
  });

  it('refuses an answer that is not in the contract’s form, at once', async () => {
    for (const body of ['{"ok":false}', 'not json', '']) {
      answer = (res) => res.end(body);
      const call = client().call('announcePacks', { params: { task: 't' }, body: { attempt: 1, packs: [] } });
      await expect(call).rejects.toMatchObject({ code: 'API_ANSWER_INVALID' });
    }
    answer = (res) => res.end(Buffer.alloc(limits.api_answer_bytes_max + 1));
    await expect(client().call('listHosts')).rejects.toMatchObject({ code: 'API_ANSWER_INVALID' });
    expect(seen).toHaveLength(4);
  });

  it('tries again after throttling, a failure, a lost connection and half an answer', async () => {
    answer = (res, call) => {
      if (call === 1) json(res, 429, { message: 'Too Many Requests' });
      else if (call === 2) json(res, 503, { message: 'Service Unavailable' });
      else if (call === 3) res.destroy();
      else if (call === 4) res.writeHead(200, { 'content-length': 99 }).write('{"ok', () => res.destroy());
      else json(res, 200, { ok: true });
    };
    const call = client().call('announcePresence', { params: { task: 't' }, body: { attempt: 1, has: [], lost: [] } });
    expect(await hurried(call)).toEqual({ ok: true });
    expect(seen).toHaveLength(5);
  });

  it('gives up in the end with the last error', async () => {
    const startMs = clock.nowMs();
    answer = (res) => json(res, 500, { message: 'Internal' });
    await expect(hurried(client().call('listHosts'))).rejects.toMatchObject({
      code: 'API_FAILED',
      data: { status: 500 },
    });
    expect(seen).toHaveLength(limits.agent_retry_attempts_max);
    expect(clock.nowMs() - startMs).toBeLessThan(limits.agent_retry_attempts_max * limits.agent_retry_ms_max);
    const nobody = client({ url: 'http://127.0.0.1:1/' });
    await expect(hurried(nobody.call('listHosts'))).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
  });

  it('does not wait for ever for an answer', async () => {
    answer = (res, call) => {
      if (call > 1) json(res, 200, { hosts: [] });
    };
    const call = client().call('listHosts');
    while (seen.length === 0) await new Promise(setImmediate);
    await clock.advance(limits.http_timeout_ms);
    expect(await hurried(call)).toEqual({ hosts: [] });
    expect(seen).toHaveLength(2);
  });

  it('ends at once with the reason of its signal, in a request and between two', async () => {
    const reason = new Error('drained');
    for (const isAnswered of [false, true]) {
      const abort = new AbortController();
      seen.length = 0;
      answer = (res) => {
        if (isAnswered) json(res, 500, {});
      };
      const call = client().call('listHosts', { signal: abort.signal });
      const expected = expect(call).rejects.toBe(reason);
      while (isAnswered ? clock.sleepers === 0 : seen.length === 0) await new Promise(setImmediate);
      abort.abort(reason);
      await expected;
    }
    const aborted = client().call('listHosts', { signal: AbortSignal.abort(reason) });
    await expect(aborted).rejects.toBe(reason);
  });

  afterEach(() => {
    expect(clock.sleepers, 'no wait is left behind').toBe(0);
  });
});
