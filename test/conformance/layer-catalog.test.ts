import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TableCloud, tableClouds } from './support/clouds.ts';
import { digestOf, fresh, layerRecord } from './support/samples.ts';

describe.each(tableClouds)('LayerCatalog on $name', ({ start }) => {
  let cloud: TableCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  it('gives a recorded layer as it was, and only in its namespace', async () => {
    const [namespace, layer] = [fresh('ns'), { ...layerRecord('we'), parent: digestOf('os') }];
    await cloud.here.layers.record(namespace, layer);
    expect(await cloud.there.layers.find(namespace, layer.layerId)).toEqual(layer);
    expect(await cloud.there.layers.find(fresh('ns'), layer.layerId)).toBeUndefined();
  });

  it('keeps the first record of a layer', async () => {
    const [namespace, layer] = [fresh('ns'), layerRecord('os')];
    await cloud.here.layers.record(namespace, layer);
    await cloud.there.layers.record(namespace, { ...layer, name: 'another.qcow2' });
    expect(await cloud.here.layers.find(namespace, layer.layerId)).toEqual(layer);
  });

  it('lists page by page, each layer once, presence left out', async () => {
    const namespace = fresh('ns');
    const layers = Array.from({ length: 7 }, (_, i) => layerRecord(`layer ${i}`));
    for (const layer of layers) await cloud.here.layers.record(namespace, layer);
    await cloud.here.layers.announce(
      namespace,
      'a/h1',
      layers.map((layer) => layer.layerId),
    );
    const pages = [];
    for (let after: string | undefined; ; ) {
      const page = await cloud.there.layers.list(namespace, 3, after);
      pages.push(page);
      if (page.length < 3) break;
      after = page.at(-1)?.layerId;
    }
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual([...layers].sort((a, b) => (a.layerId < b.layerId ? -1 : 1)));
    expect(await cloud.here.layers.list(fresh('ns'), 3)).toEqual([]);
  });

  it('erases a record, there or not, and may record the layer anew; who holds it stays known', async () => {
    const [namespace, layer, other] = [fresh('ns'), layerRecord('os'), layerRecord('we')];
    await cloud.here.layers.record(namespace, layer);
    await cloud.here.layers.record(namespace, other);
    await cloud.here.layers.announce(namespace, 'a/h1', [layer.layerId]);
    await cloud.there.layers.erase(namespace, layer.layerId);
    await cloud.here.layers.erase(namespace, layer.layerId);
    expect(await cloud.here.layers.find(namespace, layer.layerId)).toBeUndefined();
    expect(await cloud.here.layers.list(namespace, 9)).toEqual([other]);
    expect(await cloud.here.layers.holders(namespace, layer.layerId)).toEqual(['a/h1']);
    await cloud.here.layers.record(namespace, { ...layer, name: 'again.qcow2' });
    expect(await cloud.there.layers.find(namespace, layer.layerId)).toMatchObject({ name: 'again.qcow2' });
  });

  it('remembers when something was removed last, for each namespace, and lists that as no layer', async () => {
    const namespace = fresh('ns');
    expect(await cloud.here.layers.removedMs(namespace)).toBe(Number.NEGATIVE_INFINITY);
    await cloud.here.layers.noteRemoval(namespace, 5);
    await cloud.there.layers.noteRemoval(namespace, 7);
    expect(await cloud.here.layers.removedMs(namespace)).toBe(7);
    expect(await cloud.here.layers.removedMs(fresh('ns'))).toBe(Number.NEGATIVE_INFINITY);
    expect(await cloud.here.layers.list(namespace, 9)).toEqual([]);
  });

  it('notes who used a layer last, and retires one that was not used since it was looked at', async () => {
    const namespace = fresh('ns');
    const layer = layerRecord('used');
    expect(await cloud.here.layers.use(namespace, layer.layerId, 5)).toBe(false);
    expect(await cloud.here.layers.find(namespace, layer.layerId)).toBeUndefined();
    expect(await cloud.here.layers.retire(namespace, layer)).toBe(false);
    await cloud.here.layers.record(namespace, layer);
    expect(await cloud.there.layers.use(namespace, layer.layerId, 7)).toBe(true);
    expect(await cloud.here.layers.retire(namespace, layer)).toBe(false);
    const used = (await cloud.here.layers.find(namespace, layer.layerId))!;
    expect(used).toEqual({ ...layer, usedMs: 7 });
    expect(await cloud.here.layers.use(namespace, layer.layerId, 8)).toBe(true);
    expect(await cloud.there.layers.retire(namespace, used)).toBe(false);
    expect(await cloud.there.layers.retire(namespace, { ...used, usedMs: 8 })).toBe(true);
    expect(await cloud.here.layers.find(namespace, layer.layerId)).toBeUndefined();
    await cloud.here.layers.record(namespace, layer);
    expect(await cloud.there.layers.retire(namespace, layer)).toBe(true);
  });

  it('knows what was registered, whether it is stored or not, and lists that apart', async () => {
    const namespace = fresh('ns');
    const layers = [layerRecord('a'), layerRecord('b'), layerRecord('c')];
    for (const layer of layers) await cloud.here.layers.register(namespace, layer);
    const sorted = layers.toSorted((a, b) => (a.layerId < b.layerId ? -1 : 1));
    expect(await cloud.there.layers.registered(namespace, 2)).toEqual(sorted.slice(0, 2));
    expect(await cloud.there.layers.registered(namespace, 9, sorted[1]!.layerId)).toEqual(sorted.slice(2));
    expect(await cloud.here.layers.list(namespace, 9)).toEqual([]);
    expect(await cloud.here.layers.use(namespace, layers[0]!.layerId, 5)).toBe(false);
    const again = { ...layers[0]!, name: 'renamed.qcow2', kind: 'we' as const };
    await cloud.there.layers.register(namespace, again);
    expect(await cloud.here.layers.findRegistered(namespace, again.layerId)).toEqual(again);
    expect(await cloud.here.layers.findRegistered(fresh('ns'), again.layerId)).toBeUndefined();
    for (const each of [cloud.here, cloud.there]) await each.layers.unregister(namespace, again.layerId);
    expect(await cloud.here.layers.findRegistered(namespace, again.layerId)).toBeUndefined();
    expect(await cloud.here.layers.registered(namespace, 9)).toHaveLength(2);
  });

  it('knows who holds what', async () => {
    const namespace = fresh('ns');
    const ids = Array.from({ length: 130 }, (_, i) => digestOf(`held ${i}`));
    await cloud.here.layers.announce(namespace, 'b/h2', [...ids, ids[0]!]);
    await cloud.here.layers.announce(namespace, 'a/h1', ids.slice(0, 1));
    await cloud.there.layers.announce(namespace, 'a/h1', ids.slice(0, 1));
    expect(await cloud.there.layers.present(namespace, 'b/h2', [...ids, digestOf('other')])).toEqual(new Set(ids));
    expect(await cloud.there.layers.present(namespace, 'a/h1', ids)).toEqual(new Set(ids.slice(0, 1)));
    expect(await cloud.here.layers.holders(namespace, ids[0]!)).toEqual(['a/h1', 'b/h2']);
    expect(await cloud.here.layers.holders(namespace, digestOf('other'))).toEqual([]);
    expect(await cloud.here.layers.holders(fresh('ns'), ids[0]!)).toEqual([]);
  });

  it('forgets what is withdrawn, there or not', async () => {
    const [namespace, layer] = [fresh('ns'), digestOf('lost')];
    await cloud.here.layers.announce(namespace, 'a/h1', [layer]);
    await cloud.here.layers.announce(namespace, 'b/h2', [layer]);
    await cloud.there.layers.withdraw(namespace, 'a/h1', layer);
    await cloud.there.layers.withdraw(namespace, 'a/h1', layer);
    expect(await cloud.here.layers.holders(namespace, layer)).toEqual(['b/h2']);
    expect((await cloud.here.layers.present(namespace, 'a/h1', [layer])).size).toBe(0);
  });
});
