import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { type TableCloud, tableClouds } from './support/clouds.ts';
import { digestOf, fresh } from './support/samples.ts';

describe.each(tableClouds)('IdleMarks on $name', ({ start }) => {
  let cloud: TableCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  const id = digestOf('object');
  const markOf = async (namespace: string, kind: 'packs' | 'segments' | 'layers' = 'packs', of = id) =>
    (await cloud.there.idle.find(namespace, kind, [of])).get(of);

  it('finds the marks that there are among more objects than one request takes', async () => {
    const namespace = fresh('ns');
    const ids = Array.from({ length: limits.table_get_keys_max + 30 }, (_, at) => digestOf(`object ${at}`));
    for (const each of ids.slice(0, 3)) await cloud.here.idle.mark(namespace, 'packs', each, 5);
    await cloud.here.idle.mark(namespace, 'packs', ids.at(-1)!, 6);
    const found = await cloud.there.idle.find(namespace, 'packs', [...ids, ids[0]!]);
    expect([...found.keys()].sort()).toEqual([...ids.slice(0, 3), ids.at(-1)!].sort());
    expect(found.get(ids.at(-1)!)).toEqual({ sinceMs: 6 });
    expect((await cloud.here.idle.find(namespace, 'packs', [])).size).toBe(0);
  });

  it('keeps the time of a mark that is there, and kinds and namespaces apart', async () => {
    const namespace = fresh('ns');
    await cloud.here.idle.mark(namespace, 'packs', id, 5);
    await cloud.there.idle.mark(namespace, 'packs', id, 9);
    expect(await markOf(namespace)).toEqual({ sinceMs: 5 });
    expect(await markOf(namespace, 'segments')).toBeUndefined();
    expect(await markOf(fresh('ns'))).toBeUndefined();
  });

  it('clears a mark as it was seen, and takes one that is gone for cleared', async () => {
    const namespace = fresh('ns');
    await cloud.here.idle.mark(namespace, 'layers', id, 5);
    expect(await cloud.here.idle.clear(namespace, 'layers', id, { sinceMs: 4 })).toBe(false);
    expect(await cloud.here.idle.clear(namespace, 'layers', id, { sinceMs: 5, removedMs: 6 })).toBe(false);
    expect(await markOf(namespace, 'layers')).toEqual({ sinceMs: 5 });
    expect(await cloud.here.idle.clear(namespace, 'layers', id, { sinceMs: 5 })).toBe(true);
    expect(await cloud.there.idle.clear(namespace, 'layers', id, { sinceMs: 5 })).toBe(true);
    expect(await markOf(namespace, 'layers')).toBeUndefined();
  });

  it('lets one of two have it: whoever uses the object, or whoever removes it', async () => {
    const [used, removed] = [fresh('ns'), fresh('ns')];
    const seen = { sinceMs: 5 };
    for (const namespace of [used, removed]) await cloud.here.idle.mark(namespace, 'packs', id, 5);
    expect(await cloud.here.idle.clear(used, 'packs', id, seen)).toBe(true);
    expect(await cloud.there.idle.remove(used, 'packs', id, seen, 7)).toBe(false);
    expect(await markOf(used)).toBeUndefined();
    expect(await cloud.there.idle.remove(removed, 'packs', id, seen, 7)).toBe(true);
    expect(await cloud.here.idle.clear(removed, 'packs', id, seen)).toBe(false);
    expect(await markOf(removed)).toEqual({ sinceMs: 5, removedMs: 7 });
  });

  it('lets a removal be taken over, and said twice, but not be unsaid by who saw an earlier one', async () => {
    const namespace = fresh('ns');
    await cloud.here.idle.mark(namespace, 'segments', id, 5);
    const first = { sinceMs: 5, removedMs: 7 };
    for (const _ of [1, 2])
      expect(await cloud.here.idle.remove(namespace, 'segments', id, { sinceMs: 5 }, 7)).toBe(true);
    expect(await cloud.here.idle.remove(namespace, 'segments', id, { sinceMs: 5 }, 8)).toBe(false);
    expect(await cloud.there.idle.remove(namespace, 'segments', id, first, 9)).toBe(true);
    expect(await cloud.here.idle.clear(namespace, 'segments', id, first)).toBe(false);
    await cloud.here.idle.mark(namespace, 'segments', id, 20);
    expect(await markOf(namespace, 'segments')).toEqual({ sinceMs: 5, removedMs: 9 });
    expect(await cloud.here.idle.clear(namespace, 'segments', id, { sinceMs: 5, removedMs: 9 })).toBe(true);
  });

  it('is no index row', async () => {
    const namespace = fresh('ns');
    await cloud.here.idle.mark(namespace, 'packs', id, 5);
    expect((await cloud.there.index.rows(namespace, 0, 1)).size).toBe(0);
    expect((await cloud.there.index.rows('idle', 0, 1)).size).toBe(0);
  });
});
