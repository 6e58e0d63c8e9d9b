import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { LinkMeter } from '../../agent/measure/link-meter.ts';
import { beginAtLevel, noteLoad } from '../../agent/measure/load.ts';
import { Measures } from '../../agent/measure/measures.ts';
import { Pace } from '../../agent/pack/pace.ts';
import { perform } from '../../agent/tasks/perform.ts';
import type { TaskHost, TaskRun } from '../../agent/tasks/task.ts';
import type { TaskInput } from '../../core/api/tasks.ts';
import { limits } from '../../core/limits.ts';
import type { ObjectStore } from '../../core/ports.ts';
import { eachFolder, keptLog } from './support.ts';

const folder = eachFolder();
const open = () => Measures.open(folder.at('measures'), systemFiles);

const tried = (rawBytes: number) => ({ level: 5, rawBytes, compressedBytes: 4, compressMs: 3, lowestMs: 1 });

describe('what a host remembers', () => {
  it('outlives its agent, and is the mean of before and now', async () => {
    const measures = await open();
    measures.note('up', 100);
    measures.note('up', 300);
    measures.noteRatio('a'.repeat(64), tried(10));
    await measures.save();
    const again = await open();
    expect(again.rates()).toEqual({ up: { value: 200, from: 'remembered' } });
    expect(again.ratio('a'.repeat(64))).toEqual(tried(10));
  });

  it('and can’t keep, as its disk is full, fails no task that is done', async () => {
    const log = keptLog();
    const measures = { save: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })) };
    const host = { log, measures } as object as TaskHost;
    const run = { signal: new AbortController().signal } as TaskRun;
    const input = { kind: 'seed', migration: `m${'1'.repeat(20)}`, run: 1, chunk_bytes: 65_536, layers: [] } as const;
    expect(await perform(host, run, input as object as TaskInput)).toEqual({ kind: 'seed', streams: [] });
    expect(log.lines).toMatchObject([{ level: 'warn' }]);
  });

  it('counts by how much it was measured', async () => {
    const measures = await open();
    measures.note('up', 100);
    measures.note('up', 300, limits.rate_memory_bytes / 3);
    expect(measures.rates().up!.value).toBe(150);
    measures.note('up', 1150, 9 * limits.rate_memory_bytes);
    expect(measures.rates().up!.value).toBe(1050);
  });

  it('believes a quick call at once, a slow one by half', async () => {
    const measures = await open();
    for (const ms of [900, 20, 40]) measures.note('lookup', ms);
    expect(measures.rates().lookup!.value).toBe(30);
  });

  it('is nothing that took no time, or for ever', async () => {
    const measures = await open();
    for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) measures.note('hash', value);
    expect(measures.rates()).toEqual({});
  });

  it('forgets the layers that it has not heard of for longest', async () => {
    const measures = await open();
    const name = (at: number) => String(at).padStart(64, '0');
    for (let at = 0; at < limits.ratios_kept_max; at++) measures.noteRatio(name(at), tried(1));
    measures.noteRatio(name(0), tried(2));
    measures.noteRatio(name(limits.ratios_kept_max), tried(1));
    expect([0, 1, 2].map((at) => measures.ratio(name(at)) !== undefined)).toEqual([true, false, true]);
  });
});

describe('the link to the store', () => {
  const BYTES_PER_MS = 10_000;

  function stage() {
    const clock = createManualClock();
    const noted: [string, number][] = [];
    const note = (name: string, value: number) => void noted.push([name, value]);
    const store = {
      put: async (_: string, parts: readonly Uint8Array[]) => {
        await clock.sleep(parts.reduce((sum, part) => sum + part.length, 0) / BYTES_PER_MS);
        return 'written' as const;
      },
      get: async (_: string, part: { length: number }) => {
        await clock.sleep(part.length / BYTES_PER_MS);
        return Buffer.alloc(part.length);
      },
      tail: async () => ({ bytes: Buffer.alloc(0), size: 0 }),
    } as unknown as ObjectStore;
    return { clock, noted, store: new LinkMeter(clock, { note }).watch(store) };
  }
  const pack = [Buffer.alloc(limits.link_object_bytes_min)];
  const needed = limits.rate_sample_bytes_min / limits.link_object_bytes_min;

  it('is measured by the time in which anything was on its way', async () => {
    const { clock, noted, store } = stage();
    for (let at = 0; at < needed; at++) {
      const sent = store.put('a', pack);
      await clock.advance(pack[0]!.length / BYTES_PER_MS + 1);
      await sent;
      await clock.advance(5_000);
    }
    expect(noted.map(([name]) => name)).toEqual(['up']);
    expect(noted[0]![1]).toBeGreaterThan(0.95 * 1000 * BYTES_PER_MS);
    expect(noted[0]![1]).toBeLessThan(1.05 * 1000 * BYTES_PER_MS);
  });

  it('is measured right where several are on their way that end at the same time', async () => {
    const { clock, noted, store } = stage();
    const large = [Buffer.alloc(limits.rate_sample_bytes_min)];
    const sending = Promise.all([store.put('a', large), store.put('b', large)]);
    await clock.advance(10_000);
    await sending;
    expect(noted).toHaveLength(1);
    expect(noted[0]![1] / (2 * 1000 * BYTES_PER_MS)).toBeCloseTo(1, 1);
  });

  it('is told of after a while, however long it is busy', async () => {
    const { clock, noted, store } = stage();
    const long = [Buffer.alloc((limits.rate_window_ms / 10) * BYTES_PER_MS)];
    const one = async () => {
      for (let at = 0; at < 12; at++) await store.put('a', long);
    };
    const both = [one(), clock.sleep(limits.rate_window_ms / 20).then(one)];
    for (let at = 0; at < 40; at++) await clock.advance(limits.rate_window_ms / 20);
    expect(noted.length).toBeGreaterThan(0);
    await Promise.all(both);
  });

  it('is measured in each direction, and by large objects alone', async () => {
    const { clock, noted, store } = stage();
    const small = [Buffer.alloc(limits.link_object_bytes_min - 1)];
    const calls = [
      ...Array.from({ length: 2 * needed }, () => store.put('a', small)),
      ...Array.from({ length: needed }, () => store.get('a', { offset: 0, length: limits.link_object_bytes_min })),
    ];
    await clock.advance(10_000);
    await Promise.all(calls);
    expect(noted.map(([name]) => name)).toEqual(['down']);
  });
});

describe('a push of a base layer that was sampled', () => {
  const layer = 'b'.repeat(64);
  const host = async () => {
    const measures = await open();
    // A second for 100 MB, half of it to read and half to compress at the lowest level.
    measures.note('hash', 2e8);
    measures.noteRatio(layer, { level: 9, rawBytes: 1e8, compressedBytes: 4e7, compressMs: 4000, lowestMs: 500 });
    return { measures, pace: new Pace(createManualClock()) };
  };

  it('begins at the level that its link leaves time for by now, whatever its sample went by', async () => {
    const { measures, pace } = await host();
    beginAtLevel({ measures, pace }, layer);
    expect(pace.level).toBe(limits.pack_level_default);
    measures.note('up', 1e7);
    beginAtLevel({ measures, pace }, undefined);
    expect(pace.level).toBe(limits.pack_level_default);
    beginAtLevel({ measures, pace }, layer);
    expect(pace.level).toBeGreaterThan(limits.pack_level_default + 2);
    for (let each = 0; each < 60; each++) measures.note('up', 1e12);
    beginAtLevel({ measures, pace }, layer);
    expect(pace.level).toBe(limits.pack_level_default);
  });

  it('begins at what the migration may send', async () => {
    const { measures, pace } = await host();
    beginAtLevel({ measures, pace }, layer, 1e6);
    expect(pace.level).toBe(limits.pack_level_max);
  });

  it('goes on where the last push ended as long as nobody has seen the link', async () => {
    const { measures, pace } = await host();
    pace.level = 7;
    beginAtLevel({ measures, pace }, layer);
    expect(pace.level).toBe(7);
  });

  it('tells how busy the host is: by what the lowest level took there', async () => {
    const { measures, pace } = await host();
    pace.filled(3e8, 6000);
    noteLoad({ measures, pace }, layer);
    expect(measures.rates().load!.value).toBeCloseTo(2);
    noteLoad({ measures, pace }, layer);
    expect(measures.rates().load!.value).toBeCloseTo(2);
  });
});
