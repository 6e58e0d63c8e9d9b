import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { LinkMeter } from '../../agent/measure/link-meter.ts';
import { Measures } from '../../agent/measure/measures.ts';
import { limits } from '../../core/limits.ts';
import type { ObjectStore } from '../../core/ports.ts';
import { eachFolder } from './support.ts';

const folder = eachFolder();
const open = () => Measures.open(folder.at('measures'), systemFiles);

describe('what a host remembers', () => {
  it('outlives its agent, and is the mean of before and now', async () => {
    const measures = await open();
    measures.note('up', 100);
    measures.note('up', 300);
    measures.noteRatio('a'.repeat(64), { rawBytes: 10, compressedBytes: 4 });
    await measures.save();
    const again = await open();
    expect(again.rates()).toEqual({ up: { value: 200, from: 'remembered' } });
    expect(again.ratio('a'.repeat(64))).toEqual({ rawBytes: 10, compressedBytes: 4 });
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
    for (let at = 0; at < limits.ratios_kept_max; at++)
      measures.noteRatio(name(at), { rawBytes: 1, compressedBytes: 1 });
    measures.noteRatio(name(0), { rawBytes: 2, compressedBytes: 1 });
    measures.noteRatio(name(limits.ratios_kept_max), { rawBytes: 1, compressedBytes: 1 });
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
