import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { layermover } from '../slow/command.ts';
import { Stage } from './stage.ts';

/** What every cloud must refuse, and that nothing comes of it. Signatures are not here: not every cloud checks them. */
let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await (await stage.host('a', 'h1')).start();
});
afterAll(() => stage.close());

describe('a request that can’t be served', () => {
  it.each([
    ['an unknown VM', ['migrate', 'nobody', '--to', 'a/h1'], 3, 'VM_UNKNOWN'],
    ['an unknown host', ['migrate', 'web-1', '--to', 'b/nowhere'], 3, 'HOST_UNKNOWN'],
    ['an unknown migration', ['status', 'm00000000000000000000'], 3, 'MIGRATION_UNKNOWN'],
  ])('%s', async (_, words, code, error) => {
    const outcome = await layermover([...words, '--cloud', stage.file, '--json']);
    expect(outcome.stdout).toContain(error);
    expect(outcome.code).toBe(code);
  });

  it('one that nobody signed', async () => {
    const answer = await fetch(`${stage.cloud.api_url}/migrations`);
    expect(answer.status).toBe(403);
  });

  it('a body over the limit', async () => {
    const body = new Uint8Array(limits.api_body_bytes_max + 1);
    const query = { task: `m${'0'.repeat(20)}.seed.a`, attempt: 1 };
    await expect(stage.api.call('checkFingerprints', { query, body })).rejects.toMatchObject({
      code: 'BODY_TOO_LARGE',
    });
  });

  it('a task that there is not', async () => {
    const params = { task: `m${'0'.repeat(20)}.seed.a` };
    await expect(stage.api.call('grant', { params, body: { attempt: 1 } })).rejects.toMatchObject({
      code: 'TASK_UNKNOWN',
    });
  });

  it('leaves nothing but a migration that was rolled back', async () => {
    const { migrations } = await stage.api.call('listMigrations');
    expect(migrations.filter(({ state }) => state === 'committed')).toEqual([]);
  });
});
