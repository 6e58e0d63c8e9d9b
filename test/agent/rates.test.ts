import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { createMemoryObjects } from '../../adapters/memory/objects.ts';
import { Rate } from '../../adapters/rate.ts';
import { Rates } from '../../agent/daemon/rates.ts';
import type { TaskRun } from '../../agent/tasks/task.ts';
import type { TaskInput } from '../../core/api/tasks.ts';
import { limits } from '../../core/limits.ts';
import type { ObjectStore } from '../../core/ports.ts';

const never = new AbortController().signal;
const MB = 1_000_000;
/** What may go at once after a while of silence. */
const BURST = (MB * limits.rate_burst_ms) / 1000;

describe('a rate', () => {
  it('lets so much through in any time, and what a short silence saved', async () => {
    const clock = createManualClock();
    const rate = new Rate(MB, clock);
    const startMs = clock.nowMs();
    let sent = 0;
    const sending = (async () => {
      while (clock.nowMs() - startMs < 10_000) {
        await rate.take(100_000, never);
        sent += 100_000;
      }
    })();
    for (let ms = 0; ms < 10_500; ms += 50) {
      await clock.advance(50);
      expect(sent).toBeLessThanOrEqual(((clock.nowMs() - startMs) * MB) / 1000 + BURST + 100_000);
    }
    await sending;
    expect(sent).toBeGreaterThan(10 * MB);
  });

  it('makes whoever asks wait his turn, and lets go of one who is stopped', async () => {
    const clock = createManualClock();
    const rate = new Rate(MB, clock);
    const stop = new AbortController();
    const order: string[] = [];
    const first = rate.take(2 * MB, never).then(() => order.push('first'));
    const second = rate.take(MB, never).then(() => order.push('second'));
    const third = rate.take(MB, stop.signal);
    stop.abort(new Error('stopped'));
    await expect(third).rejects.toThrow('stopped');
    await clock.advance(2_000);
    expect(order).toEqual(['first']);
    await clock.advance(1_000);
    await Promise.all([first, second]);
  });
});

describe('a rate that is lent', () => {
  /** Bytes that are let through in a second, with what a silence saved. */
  async function ofASecond(rate: Rate, clock: ReturnType<typeof createManualClock>): Promise<number> {
    let sent = 0;
    const stop = new AbortController();
    const sending = (async () => {
      for (; ; sent += 10_000) await rate.take(10_000, stop.signal);
    })();
    sending.catch(() => undefined);
    for (let ms = 0; ms < 1000; ms += 10) await clock.advance(10);
    stop.abort(new Error('enough'));
    await expect(sending).rejects.toThrow('enough');
    return sent;
  }

  it('by halves is never more than it is, and whole again when all is given back', async () => {
    const clock = createManualClock();
    const rate = new Rate(MB, clock);
    const [first, second] = [rate.lend(), rate.lend()];
    expect([first, second].map(({ bytesPerSecond }) => bytesPerSecond)).toEqual([MB / 2, MB / 4]);
    const left = await ofASecond(rate, clock);
    expect(left).toBeGreaterThan(0.9 * (MB / 4));
    expect(left).toBeLessThanOrEqual((MB + BURST) / 4 + 10_000);
    first.giveBack();
    second.giveBack();
    second.giveBack();
    await clock.advance(5_000);
    const whole = await ofASecond(rate, clock);
    expect(whole).toBeGreaterThan(0.9 * MB);
    expect(whole).toBeLessThanOrEqual(MB + BURST + 10_000);
  });
});

describe('the tasks of a migration', () => {
  const input = (migration: string, rate?: number): TaskInput => ({
    kind: 'seed',
    migration,
    run: 1,
    chunk_bytes: 65_536,
    layers: [],
    ...(rate === undefined ? {} : { max_rate_bytes_per_second: rate }),
  });
  const runWith = (store: ObjectStore) => ({ store, cut: never }) as TaskRun;

  it('share its rate, those of another have their own, and some have none', async () => {
    const clock = createManualClock();
    const rates = new Rates(clock);
    const done: string[] = [];
    const put = (name: string, migration: string, rate?: number) =>
      rates.within(input(migration, rate), runWith(createMemoryObjects()), async ({ store }) => {
        await store.put(name, [Buffer.alloc(MB / 2), Buffer.alloc(MB / 2)]);
        done.push(name);
      });
    const puts = [put('a', 'm1', MB), put('b', 'm1', MB), put('c', 'm2', MB), put('d', 'm3')];
    await clock.advance(1_000);
    expect(done.toSorted()).toEqual(['a', 'c', 'd']);
    await clock.advance(1_000);
    await Promise.all(puts);
    expect(done).toHaveLength(4);
  });

  it('have a store that waits for nobody, for a guest that does', async () => {
    const rates = new Rates(createManualClock());
    await rates.within(input('m1', MB), runWith(createMemoryObjects()), async ({ limit }) => {
      await limit!.unlimited.put('key', [Buffer.alloc(10 * MB)]);
    });
  });

  it('read as fast as they can', async () => {
    const objects = createMemoryObjects();
    await objects.put('key', [Buffer.alloc(10 * MB)]);
    const rates = new Rates(createManualClock());
    await rates.within(input('m1', MB), runWith(objects), async ({ store }) => {
      expect(await store.get('key', { bytesMax: 10 * MB })).toHaveLength(10 * MB);
      expect((await store.tail('key', 5)).size).toBe(10 * MB);
    });
  });
});
