import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSigner } from '../../adapters/api/request.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { cloudFile } from '../../bin/connection.ts';
import { routes } from '../../core/api/routes.ts';
import { encodeQuestion } from '../../core/format/batch.ts';
import { limits } from '../../core/limits.ts';
import { layermover, Stage } from './command.ts';

/** What must be refused by the running cloud, and that a refusal changes nothing. */
let stage: Stage;
let cloud: ReturnType<typeof cloudFile.parse>;
let file: string;

beforeAll(async () => {
  stage = await Stage.open();
  file = await stage.cloud();
  cloud = cloudFile.parse(JSON.parse(await readFile(file, 'utf8')));
  await stage.agent('a', 'h1', file);
});
afterAll(() => stage.close());

const signer = (secret = cloud.credentials!.secret_access_key) =>
  createSigner({
    url: cloud.api_url,
    region: cloud.region,
    namespace: 'default',
    clock: systemClock,
    credentials: { accessKeyId: cloud.credentials!.access_key_id, secretAccessKey: secret },
  });

const request = { request_id: 'refused-request-1', vms: ['web-1'], to: 'b/h2' };

async function migrations(): Promise<number> {
  const { lines } = await layermover(['list', '--cloud', file, '--json']);
  return lines.length;
}

describe('the API refuses', () => {
  it('an unsigned call', async () => {
    const answer = await fetch(`${cloud.api_url}/migrations`, { method: 'POST', body: JSON.stringify(request) });
    expect(answer.status).toBe(403);
  });

  it('a wrong secret', async () => {
    const signed = await signer('wrong')(routes.createMigration, { body: request });
    expect((await fetch(signed)).status).toBe(403);
  });

  it('a body that was changed after it was signed', async () => {
    const signed = await signer()(routes.createMigration, { body: request });
    const changed = new Request(signed.url, {
      method: 'POST',
      headers: signed.headers,
      body: JSON.stringify({ ...request, to: 'b/h3' }),
    });
    expect((await fetch(changed)).status).toBe(403);
  });

  it('a body over the limit', async () => {
    const signed = await signer()(routes.createMigration, {
      body: { ...request, padding: 'x'.repeat(limits.api_body_bytes_max) },
    });
    const answer = await fetch(signed);
    expect(answer.status).toBe(413);
  });

  it('a request that makes no sense, with a code and a hint in problem+json', async () => {
    const answer = await fetch(await signer()(routes.createMigration, { body: { ...request, vms: [] } }));
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(await answer.json()).toMatchObject({ code: 'BODY_INVALID', status: 400 });
  });

  it.each([
    ['nonsense', Buffer.from('this is no batch')],
    ['a batch cut short', encodeQuestion(Buffer.alloc(320, 1)).subarray(0, 100)],
    ['a batch of nobody’s task', encodeQuestion(Buffer.alloc(320, 1))],
  ])('%s in place of a fingerprint batch', async (_, body) => {
    const query = { task: 'm0123456789abcdef0123.seed.a.h1', attempt: 1 };
    const answer = await fetch(await signer()(routes.checkFingerprints, { query, body }));
    expect([400, 404]).toContain(answer.status);
    expect(await answer.json()).toHaveProperty('code');
  });

  it('and nothing has changed', async () => {
    expect(await migrations()).toBe(0);
  });
});

describe('the embedded cloud', () => {
  it('comes up within 3 s once it is built', async () => {
    const other = await Stage.open();
    try {
      const began = systemClock.nowMs();
      await other.cloud();
      expect(systemClock.nowMs() - began).toBeLessThan(3_000);
    } finally {
      await other.close();
    }
  });
});
