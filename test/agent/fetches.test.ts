import { beforeEach, describe, expect, it } from 'vitest';
import { Fetches } from '../../agent/tasks/fetches.ts';

const M = `m${'1'.repeat(20)}`;
const OTHER = `m${'2'.repeat(20)}`;
const never = new AbortController().signal;

let fetches: Fetches;
let here: Set<string>;
beforeEach(() => {
  fetches = new Fetches();
  here = new Set();
});

const find = (layer: string) => async () => (here.has(layer) ? layer : undefined);
const until = (layer: string, signal = never, migration = M) => fetches.until(migration, find(layer), signal);
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A fetch that a test goes on with, step by step. */
function begin(migration = M) {
  const end = Promise.withResolvers<void>();
  let tell: () => void;
  const ended = fetches.during(migration, (arrived) => {
    tell = arrived;
    return end.promise;
  });
  ended.catch(() => undefined);
  const brings = (layer: string) => {
    here.add(layer);
    tell();
  };
  return { brings, end, ended };
}

async function isWaiting(work: Promise<unknown>): Promise<boolean> {
  await settled();
  return (await Promise.race([work, Promise.resolve('waits')])) === 'waits';
}

describe('who waits for a base layer', () => {
  it('waits for its own, not for the others that are fetched', async () => {
    const fetch = begin();
    const [os, we] = [until('os'), until('we')];
    expect(await isWaiting(os)).toBe(true);
    fetch.brings('os');
    expect(await os).toBe('os');
    expect(await isWaiting(we)).toBe(true);
    fetch.brings('we');
    expect(await we).toBe('we');
  });

  it('has it at once if it is here', async () => {
    begin();
    here.add('os');
    expect(await until('os')).toBe('os');
  });

  it('hears that it is missing when all has come, or nobody fetches', async () => {
    expect(await until('os')).toBeUndefined();
    const fetch = begin();
    const os = until('os');
    fetch.brings('we');
    expect(await isWaiting(os)).toBe(true);
    fetch.end.resolve();
    expect(await os).toBeUndefined();
    expect(await until('os')).toBeUndefined();
  });

  it('hears of a layer that comes while it is looked for', async () => {
    const fetch = begin();
    const looked = Promise.withResolvers<void>();
    let looks = 0;
    const late = async () => {
      looks += 1;
      if (looks === 1) await looked.promise;
      return looks === 1 ? undefined : 'os';
    };
    const os = fetches.until(M, late, never);
    fetch.brings('os');
    looked.resolve();
    expect(await os).toBe('os');
  });

  it('goes on when an attempt fails, and hears of the next one', async () => {
    const first = begin();
    const os = until('os');
    first.end.reject(new Error('away'));
    expect(await isWaiting(os)).toBe(true);
    begin().brings('os');
    expect(await os).toBe('os');
  });

  it('does not wait for another migration’s', async () => {
    begin(OTHER);
    expect(await until('os')).toBeUndefined();
  });

  it('stops when its task does', async () => {
    const stop = new AbortController();
    begin();
    const os = until('os', stop.signal);
    expect(await isWaiting(os)).toBe(true);
    stop.abort(new Error('cancelled'));
    await expect(os).rejects.toThrow('cancelled');
  });
});
