import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createPlaces } from '../../agent/daemon/places.ts';
import { ahead } from '../../agent/flow/ahead.ts';
import { limits } from '../../core/limits.ts';

const quiet = new AbortController().signal;

describe('work that begins ahead', () => {
  it('begins in order, when the one before lets it or has ended, and gives the results in order', async () => {
    const told: string[] = [];
    const results = await ahead(['a', 'b', 'c'], 2, quiet, async (item, { next }) => {
      told.push(`${item} begins`);
      await setImmediate();
      if (item === 'a') next();
      await setImmediate();
      await setImmediate();
      told.push(`${item} ends`);
      return item;
    });
    expect(told).toEqual(['a begins', 'b begins', 'a ends', 'b ends', 'c begins', 'c ends']);
    expect(results).toEqual(['a', 'b', 'c']);
  });

  it('is told how the piece before ends', async () => {
    const told: string[] = [];
    await ahead(['a', 'b'], 2, quiet, async (item, { next, before }) => {
      next();
      if (item === 'a') await setImmediate();
      else await before;
      told.push(item);
    });
    expect(told).toEqual(['a', 'b']);
    const failing = ahead(['a', 'b'], 2, quiet, async (item, { next, before }) => {
      next();
      if (item === 'a') throw new Error('torn');
      await expect(before).rejects.toThrow('torn');
      told.push('c');
    });
    await expect(failing).rejects.toThrow('torn');
  });

  it.each([limits.layers_seeded_at_once, 4])('runs %d at a time at the most', async (most) => {
    let [running, seen] = [0, 0];
    await ahead(Array(10).keys(), most, quiet, async (_, { next }) => {
      next();
      seen = Math.max(seen, ++running);
      await setImmediate();
      running--;
    });
    expect(seen).toBe(most);
  });

  it('stops the others at the first failure, begins none, and throws it once none runs', async () => {
    const began: number[] = [];
    const stopped: unknown[] = [];
    const work = ahead([1, 2, 3], 2, quiet, async (item, { signal, next }) => {
      began.push(item);
      next();
      if (item === 2) throw new Error('torn');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await setImmediate();
      stopped.push(signal.reason);
      throw signal.reason;
    });
    await expect(work).rejects.toThrow('torn');
    expect(began).toEqual([1, 2]);
    expect(stopped).toMatchObject([{ message: 'torn' }]);
  });

  it('ends with its caller’s signal', async () => {
    const stop = new AbortController();
    const work = ahead([1, 2], 1, stop.signal, async (_, { signal }) => {
      stop.abort(new Error('over'));
      signal.throwIfAborted();
    });
    await expect(work).rejects.toThrow('over');
  });
});

describe('a place', () => {
  it('may be left before the work ends, once', async () => {
    const places = createPlaces(1);
    const end = Promise.withResolvers<void>();
    const told: string[] = [];
    const first = places(quiet, async (leave) => {
      leave();
      leave();
      await end.promise;
      told.push('first');
    });
    const second = places(quiet, async () => {
      told.push('second');
      await setImmediate();
      told.push('second ends');
    });
    const third = places(quiet, async () => void told.push('third'));
    await Promise.all([second, third]);
    end.resolve();
    await first;
    expect(told).toEqual(['second', 'second ends', 'third', 'first']);
  });
});
