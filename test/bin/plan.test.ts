import { describe, expect, it } from 'vitest';
import { expectation } from '../../bin/output/forecast.ts';
import { planReport } from '../../bin/output/plan.ts';
import { forecastSection } from '../../bin/report/forecast.ts';
import type { MigrationForecast } from '../../core/api/forecast.ts';
import { layer, migration, vm } from './samples.ts';

const MB = 1_000_000;
const rate = (value: number, from: 'measured' | 'remembered' | 'assumed' = 'measured') => ({ value, from });
const forecast: MigrationForecast = {
  at_ms: 1_000,
  milliseconds: 20_000,
  wire_bytes: 40 * MB,
  pulled_bytes: 50 * MB,
  dollars: 1.2345,
  costs: [
    { item: 'traffic out of the region', dollars: 1.2 },
    { item: '7 GETs', dollars: 0.0345 },
  ],
  one_by_one: { milliseconds: 30_000, wire_bytes: 41 * MB },
  each_alone: { milliseconds: 60_000, wire_bytes: 90 * MB },
  pauses: [{ vm: 'web-1', writes_bytes_per_second: 2 * MB, rounds: 3, pause_ms: 120 }],
  rates: [
    {
      source: 'a/h1',
      hash: rate(900 * MB),
      compress: rate(400 * MB),
      unpack: rate(300 * MB),
      up: rate(12.5 * MB, 'assumed'),
      down: rate(25 * MB, 'remembered'),
      read_back: rate(900 * MB),
      call: rate(12.34),
      lookup: rate(30, 'assumed'),
      load: rate(1.5, 'remembered'),
    },
  ],
};
const planned = layer({
  treatment: 'dedup',
  reason: '62 % ± 4 % of its chunks are known: dedup takes 3.1 s, direct 7.9 s',
  forecast: {
    milliseconds: 3_100,
    wire_bytes: 20 * MB,
    pulled_bytes: 30 * MB,
    other: { treatment: 'direct', milliseconds: 7_900, wire_bytes: 45 * MB },
    duplicates: { value: 0.62, seen: 512, all: 4000 },
    compressed: { value: 0.4, seen: 32 * MB, all: 100 * MB },
    level: 9,
  },
});
const twin = layer({ shared: true });
const plan = { vms: [vm({ layers: [planned] }), vm({ name: 'web-2', layers: [twin] })], forecast };

describe('a plan in words', () => {
  const text = planReport(plan, { explain: false }, 200);

  it('tells of each layer what is done and why, of all of it bytes, time, pauses and dollars by item', () => {
    for (const words of ['dedup', '20 MB', '3.1s', planned.reason, 'sent once, with another VM'])
      expect(text).toContain(words);
    expect(text).toContain('all of it: 20s, 40 MB sent, 50 MB fetched');
    expect(text).toContain('web-1 writes 2 MB/s: 3 rounds, then a pause of 120 ms');
    expect(text).toMatch(
      /list prices of [\d-]+: \$1\.23\n +\$1\.20 {2}traffic out of the region\n +\$0\.034500 {2}7 GETs/,
    );
  });

  it('tells what moving several VMs as one saves', () => {
    expect(text).toContain('one after the other: 30s, 41 MB sent');
    expect(text).toContain('no others: 1m, 90 MB sent');
    expect(planReport({ ...plan, vms: plan.vms.slice(0, 1) }, { explain: false }, 200)).not.toContain(
      'one after the other',
    );
  });

  it('explains itself: every rate with how it is known, and the other way', () => {
    expect(text).not.toContain('assumed');
    const explained = planReport(plan, { explain: true }, 200);
    for (const words of [
      'from the source to the store: 12.5 MB/s, assumed',
      'to the destination: 25 MB/s, remembered',
      'both beside sending, by past transfers: 1.5 × as long, remembered',
      'the destination decompresses and writes: 300 MB/s, measured',
    ])
      expect(explained).toContain(words);
    expect(explained).toContain('a call of the API: 12 ms, measured');
    expect(explained).toMatch(
      /known chunks 62 % ± 4 % \(512 hooks\); left after compression 40 % \(32 MB tried at level 9\)/,
    );
    expect(explained).toContain('direct would take 7.9s, 45 MB sent');
  });
});

describe('what was expected, beside what it was', () => {
  const done = migration({ vms: plan.vms.map((each) => ({ ...each, wire_bytes: 22 * MB })), forecast, run: 1 });
  const ended = { ...done, ended_ms: 1_000 + 24_000 };

  it('is told once a migration is committed', () => {
    expect(expectation(ended)[0]).toBe('expected: 40 MB sent (+10 %), 20s (+20 %); it was 44 MB, 24s');
    expect(expectation({ ...ended, state: 'failed' })).toEqual([]);
  });

  it('is not told of one that was resumed: it had sent some before it was planned', () => {
    expect(expectation({ ...ended, run: 2 }).join()).not.toContain('it was');
  });

  it('is a table of the page, layer by layer', () => {
    const page = forecastSection(ended)!.text;
    for (const figure of ['20 MB', '30 MB', '3.1s', '+10 %']) expect(page).toContain(figure);
    expect(forecastSection({ ...ended, forecast: undefined } as never)).toBeUndefined();
  });
});
