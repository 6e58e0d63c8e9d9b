import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CannedApi } from './api.ts';
import { call } from './command.ts';
import { gang, ID, migration, vm } from './samples.ts';

let api: CannedApi;
beforeAll(async () => {
  api = await CannedApi.open();
});
afterAll(() => api.close());
beforeEach(() => {
  api.asked.length = 0;
  api.migration = gang();
});

const json = (...words: string[]) => call(...words, '--cloud', api.cloudFile, '--json');
const RESUME = `POST /v1/migrations/${ID}/resume`;
const failed = () => migration({ state: 'failed', vms: [vm({ state: 'rolled-back', equal: false })] });

describe('resume', () => {
  it('of what failed asks for its next run and shows it', async () => {
    api.migration = failed();
    const said = await json('resume', ID);
    expect(api.asked).toContain(RESUME);
    expect(said.lines().map((line) => line.message_type)).toEqual(['status', 'summary']);
    expect(said.code, 'it failed again').toBe(1);
  });

  it('of what is committed says so, and that is well', async () => {
    const said = await json('resume', ID);
    expect(said.stderr).toContain('committed already');
    expect(said.code).toBe(0);
    expect(api.asked).not.toContain(RESUME);
  });

  it('without an id names those that could be meant, and takes none', async () => {
    api.migration = failed();
    const said = await json('resume');
    expect(said.code).toBe(2);
    expect(said.stderr).toContain(`${ID} (web-1 to b/h2)`);
    expect(api.asked).toEqual(['GET /v1/migrations']);
  });
});

describe('migrate', () => {
  const CREATE = 'POST /v1/migrations';
  it('of other VMs than those that are under way is a new migration', async () => {
    api.migration = migration({ state: 'moving', vm_names: ['web-1', 'web-2'] });
    await json('migrate', 'web-1', '--to', 'b/h2', '--detach');
    expect(api.asked).toContain(CREATE);
  });

  it.each([
    [['--detach'], false],
    [['--detach', '--policy', 'direct'], true],
    [['--detach', '--request-id', 'request-1'], true],
  ])('again while it runs, with %j: asks for another: %s', async (options, isNew) => {
    api.migration = migration({ state: 'moving', vm_names: ['web-2', 'web-1'] });
    const said = await json('migrate', 'web-1', 'web-2', '--to', 'b/h2', ...options);
    expect(api.asked.includes(CREATE)).toBe(isNew);
    expect(said.stderr.includes('under way already')).toBe(!isNew);
    expect(said.lines()).toEqual([{ message_type: 'requested', migration: ID }]);
  });

  it('again after its end, or while it is being aborted, asks for a new one', async () => {
    for (const change of [{ state: 'failed' as const }, { state: 'moving' as const, abort_requested: true }]) {
      api.asked.length = 0;
      api.migration = migration({ ...change, vm_names: ['web-1'] });
      await json('migrate', 'web-1', '--to', 'b/h2', '--detach');
      expect(api.asked).toContain(CREATE);
    }
  });
});
