import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { final, retry } from '../../adapters/retry.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemRandom } from '../../adapters/system/random.ts';

const reason = new Error('enough');

describe.each([
  { name: 'system', clock: systemClock, pass: async () => {} },
  { name: 'manual', ...withAdvance() },
])('Clock: $name', ({ clock, pass }) => {
  it('sleeps at least as long as it was told', async () => {
    const startMs = clock.nowMs();
    const sleep = clock.sleep(20);
    await pass(20);
    await sleep;
    expect(clock.nowMs() - startMs).toBeGreaterThanOrEqual(19);
  });

  it('wakes with the signal’s reason, at once or later', async () => {
    await expect(clock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
    const abort = new AbortController();
    const sleep = clock.sleep(60_000, abort.signal);
    abort.abort(reason);
    await expect(sleep).rejects.toBe(reason);
  });
});

function withAdvance() {
  const clock = createManualClock();
  return { clock, pass: (ms: number) => clock.advance(ms) };
}

describe('the manual clock', () => {
  it('wakes sleepers in the order they are due, and those that sleep again within one move', async () => {
    const clock = createManualClock(0);
    const woken: [string, number][] = [];
    const walk = async (name: string, ...steps: number[]) => {
      for (const ms of steps) {
        await clock.sleep(ms);
        woken.push([name, clock.nowMs()]);
      }
    };
    const walks = [walk('a', 30, 30), walk('b', 10, 10, 50)];
    await clock.advance(60);
    expect(woken).toEqual([
      ['b', 10],
      ['b', 20],
      ['a', 30],
      ['a', 60],
    ]);
    expect([clock.nowMs(), clock.sleepers]).toEqual([60, 1]);
    await clock.advance(10);
    await Promise.all(walks);
    expect(woken.at(-1)).toEqual(['b', 70]);
  });

  it('wakes nobody before the time', async () => {
    const clock = createManualClock(0);
    let isAwake = false;
    void clock.sleep(10).then(() => {
      isAwake = true;
    });
    await clock.advance(9);
    expect(isAwake).toBe(false);
    await clock.advance(1);
    expect(isAwake).toBe(true);
  });
});

describe('retry', () => {
  function policy(byte: number) {
    const waits: number[] = [];
    const clock = { nowMs: () => 0, sleep: async (ms: number) => void waits.push(ms) };
    const random = { bytes: (count: number) => new Uint8Array(count).fill(byte) };
    return { waits, policy: { clock, random, attempts: 6, firstMs: 100, maxMs: 700 } };
  }
  const failing = async () => {
    throw reason;
  };

  it('waits longer each time up to a bound, and throws the last error', async () => {
    const { waits, policy: longest } = policy(255);
    await expect(retry(failing, longest)).rejects.toBe(reason);
    expect(waits.map(Math.round)).toEqual([100, 200, 400, 700, 700]);
  });

  it('spreads the waits of many', async () => {
    const { waits, policy: half } = policy(128);
    await expect(retry(failing, half)).rejects.toBe(reason);
    expect(waits.map(Math.round)).toEqual([50, 100, 201, 351, 351]);
  });

  it('ends at a final error, which is thrown as it is', async () => {
    const { waits, policy: any } = policy(255);
    const attempts: number[] = [];
    const done = retry(async (attempt) => {
      attempts.push(attempt);
      throw attempt === 2 ? final(reason) : new Error('again');
    }, any);
    await expect(done).rejects.toBe(reason);
    expect([attempts, waits.length]).toEqual([[1, 2], 1]);
  });

  it('gives what works', async () => {
    expect(await retry(async (attempt) => attempt, policy(255).policy)).toBe(1);
  });
});

describe('the system’s random', () => {
  it('gives as many bytes as asked, never the same', () => {
    const draws = Array.from({ length: 8 }, () => Buffer.from(systemRandom.bytes(16)).toString('hex'));
    expect(new Set(draws).size).toBe(8);
    expect(systemRandom.bytes(5)).toHaveLength(5);
  });
});
