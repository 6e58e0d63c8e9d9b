import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { roundWords } from '../../bin/output/live.ts';
import { report } from '../../bin/output/report.ts';
import { parseRate } from '../../bin/rate.ts';
import { reportPage } from '../../bin/report/page.ts';
import { limits } from '../../core/limits.ts';
import { CannedApi } from './api.ts';
import { call } from './command.ts';
import { gang, ID, live, migration, receiptsOf } from './samples.ts';

describe('the command of a live migration', () => {
  let api: CannedApi;
  beforeAll(async () => {
    api = await CannedApi.open();
  });
  afterAll(() => api.close());

  const run = (...words: string[]) => call(...words, '--cloud', api.cloudFile, '--json');
  const migrate = (...words: string[]) => run('migrate', 'web-1', '--to', 'b/h2', '--detach', ...words);

  it('asks for what its words say', async () => {
    const how = ['--cutover', 'stop', '--max-downtime', '150', '--on-no-convergence', 'abort', '--max-rate', '100M'];
    expect((await migrate('--live', ...how)).code).toBe(0);
    expect(api.bodies.at(-1)).toMatchObject({
      mode: 'live',
      live: { cutover: 'stop', max_downtime_ms: 150, on_no_convergence: 'abort' },
      max_rate_bytes_per_second: 100_000_000,
    });
    await migrate('--live');
    expect(api.bodies.at(-1)).toMatchObject({
      mode: 'live',
      live: { cutover: 'ram', max_downtime_ms: limits.downtime_ms_default, on_no_convergence: 'throttle' },
    });
    await migrate('--max-rate', '1.5G');
    expect(api.bodies.at(-1)).toMatchObject({ mode: 'cold', max_rate_bytes_per_second: 1_500_000_000 });
    expect(api.bodies.at(-1)).not.toHaveProperty('live');
  });

  it.each([
    [['--cutover', 'stop'], '--live'],
    [['--live', '--max-downtime', '0'], 'max_downtime_ms'],
    [['--live', '--max-downtime', 'soon'], 'max_downtime_ms'],
    [['--live', '--cutover', 'hard'], 'ram, stop'],
    [['--max-rate', '1k'], 'no rate'],
    [['--max-rate', '100MB'], 'no rate'],
  ])('%j is refused with a word on it', async (words, told) => {
    const before = api.asked.length;
    const said = await migrate(...words);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain(told);
    expect(api.asked.length).toBe(before);
  });

  it('does not take a cold move of the VMs for the live one that is asked for', async () => {
    api.migration = migration({ state: 'moving', vms: gang().vms });
    const asked = api.asked.length;
    await run('migrate', ...api.migration.vm_names, '--to', 'b/h2', '--detach', '--live');
    expect(api.asked.slice(asked)).toContain('POST /v1/migrations');
    const again = api.asked.length;
    await run('migrate', ...api.migration.vm_names, '--to', 'b/h2', '--detach');
    expect(api.asked.slice(again)).toEqual(['GET /v1/migrations']);
    api.migration = gang();
  });

  it('takes a VM back by force only', async () => {
    const said = await run('reclaim', ID, 'web-1', '--force');
    expect(said.lines()).toEqual([{ message_type: 'reclaimed', migration: ID, vm: 'web-1', owner: 'a/h1', epoch: 2 }]);
    expect(api.bodies.at(-1)).toEqual({ vm: 'web-1', force: true, side: 'source' });
    await run('reclaim', ID, 'web-1', '--force', '--side', 'destination');
    expect(api.bodies.at(-1)).toEqual({ vm: 'web-1', force: true, side: 'destination' });
    const before = api.asked.length;
    expect((await run('reclaim', ID, 'web-1')).code).toBe(2);
    expect(api.asked.length).toBe(before);
  });

  it('shows rounds, the pause and the rate in status, and as JSON', async () => {
    api.migration = live();
    const said = await call('status', ID, '--cloud', api.cloudFile);
    for (const part of ['live, with its memory', 'pause 300 ms at the most', '100 MB/s at the most', 'slowed to'])
      expect(said.stdout).toContain(part);
    const [line] = (await run('status', ID)).lines();
    expect(line).toMatchObject({ migration: { vms: [{ live: { blackout: { total_ms: 84 } } }] } });
    const watched = (await run('migrate', 'web-1', '--to', 'b/h2')).lines();
    expect(watched[0]).toMatchObject({ message_type: 'status', live: [{ vm: 'web-1', predicted_blackout_ms: 160 }] });
    api.migration = gang();
  });
});

describe('a rate', () => {
  it('is read as it is said, from the least on', () => {
    expect([parseRate('800k'), parseRate('100M'), parseRate('1.25G'), parseRate('65536')]).toEqual([
      800_000, 100_000_000, 1_250_000_000, 65_536,
    ]);
    expect(parseRate(String(limits.rate_bytes_per_second_min))).toBe(limits.rate_bytes_per_second_min);
    for (const text of [String(limits.rate_bytes_per_second_min - 1), '-1M', '1 M', '1e9', '', 'M', '9'.repeat(13)])
      expect(() => parseRate(text), text).toThrow('no rate');
  });
});

describe('what people see of a live migration', () => {
  it('is a row a round below the layers, and the pause with its parts', () => {
    const text = report(live(), 140);
    expect(text).toMatch(/web-1.*│ +0 │ +30 MB │ +20 MB │ +3s │ +7 MB\/s │ +9 MB │ +3 MB\/s │ +– │/);
    expect(text).toMatch(/│ +1 │ +9 MB │ +6 MB │ +3s │ +7 MB\/s │ +1 MB │ +333 kB\/s │ +5 MB\/s │/);
    expect(text).toContain('web-1: pause 84 ms: 51 ms of it storage, 1 MB copied in it, predicted 160 ms');
    expect(report(gang(), 140)).not.toContain('round');
  });

  it('is where each VM stands while it moves', () => {
    expect(roundWords(live({ state: 'moving' }, 'moving'))).toEqual([
      'web-1 round 2 done, 1 MB left, pause 160 ms now, writes slowed to 5 MB/s',
    ]);
    expect(roundWords(live())).toEqual([]);
  });

  it('is on the page, too; a cold one’s page says that there was one round', () => {
    const page = (of: ReturnType<typeof live>) =>
      reportPage({ migration: of, receipts: receiptsOf(of), version: '9.9.9', atMs: of.updated_ms });
    const text = page(live());
    for (const part of [
      '<h2>Rounds</h2>',
      'left dirty',
      'pause 84 ms',
      'live, with its memory',
      '100 MB/s at the most',
    ])
      expect(text).toContain(part);
    expect(text).not.toContain('One round each');
    expect(page(gang())).toContain('One round each');
    expect(page(gang())).not.toContain('<h2>Rounds');
  });
});
