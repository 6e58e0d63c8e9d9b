import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CollectionRun, NOTHING_COUNTED } from '../../core/garbage.ts';
import { type TableCloud, tableClouds } from './support/clouds.ts';
import { fresh } from './support/samples.ts';

const run = (namespace: string, change: Partial<CollectionRun> = {}): CollectionRun => ({
  namespace,
  id: 'g1',
  dryRun: false,
  state: 'running',
  page: 0,
  phase: 'records',
  startedMs: 1,
  updatedMs: 1,
  counts: NOTHING_COUNTED,
  ...change,
});

describe.each(tableClouds)('CollectionRuns on $name', ({ start }) => {
  let cloud: TableCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  it('replaces what was seen, page by page, and lists it as no layer', async () => {
    const namespace = fresh('ns');
    const { collections, layers } = cloud.here;
    expect(await collections.find(namespace)).toBeUndefined();
    const first = run(namespace);
    expect(await collections.replace(undefined, first)).toBe(true);
    const next = run(namespace, { page: 1, updatedMs: 2, phase: 'packs', after: 'x', filter: 'key' });
    expect(await collections.replace(first, next)).toBe(true);
    expect(await cloud.there.collections.find(namespace)).toEqual(next);
    const error = { code: 'X', message: 'y' };
    const last = run(namespace, { page: 2, updatedMs: 3, state: 'failed', endedMs: 3, error });
    expect(await collections.replace(next, last)).toBe(true);
    expect(await cloud.there.collections.find(namespace)).toEqual(last);
    expect(await layers.list(namespace, 9)).toEqual([]);
  });

  it('refuses who saw another run or page, and takes the same again for done', async () => {
    const namespace = fresh('ns');
    const { collections } = cloud.here;
    const first = run(namespace);
    const second = run(namespace, { page: 1, updatedMs: 2 });
    await collections.replace(undefined, first);
    expect(await collections.replace(undefined, first)).toBe(true);
    expect(await collections.replace(undefined, run(namespace, { id: 'g2' }))).toBe(false);
    expect(await collections.replace(first, second)).toBe(true);
    expect(await cloud.there.collections.replace(first, second)).toBe(true);
    expect(await cloud.there.collections.replace(first, run(namespace, { page: 1, updatedMs: 9 }))).toBe(false);
    expect(await collections.find(namespace)).toEqual(second);
  });
});
