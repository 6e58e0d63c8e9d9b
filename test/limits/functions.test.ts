import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { isHook } from '../../core/fingerprint.ts';
import { objectKey } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import type { FingerprintIndex, ObjectJanitor } from '../../core/ports.ts';
import { Pace } from '../../functions/hosts/pace.ts';
import { contentsOf } from '../../functions/packs/find-packs.ts';
import { FooterCache } from '../../functions/packs/footer-cache.ts';
import type { PackContents } from '../../functions/packs/pack-contents.ts';
import { readFooter } from '../../functions/packs/read-footer.ts';
import { eachObject } from '../../functions/rebuild/each-object.ts';
import { Page, type RebuildDeps } from '../../functions/rebuild/page.ts';
import { dropRows } from '../../functions/rebuild/rows.ts';
import { createEnrolledCloud } from '../functions/support/cloud.ts';
import { makePack, putPack } from '../functions/support/packs.ts';
import { Gauge } from './gauge.ts';

const digestOf = (at: number) => at.toString(16).padStart(64, '0');
const LAYERS = 10_000;

describe('the layers of a namespace', () => {
  it(`are listed page by page, ${LAYERS} of them too, and each page costs what it holds`, async () => {
    const cloud = await createEnrolledCloud();
    const shape = { parent: null, kind: 'os', virtualBytes: 9, chunkBytes: 65_536, dataBytes: 5 } as const;
    for (let at = 0; at < LAYERS; at++) {
      const layer = { ...shape, layerId: digestOf(at), name: `os-${at}`, recordedMs: at };
      await cloud.layers.record('default', layer);
    }
    const gauge = new Gauge();
    const { holders } = cloud.layers;
    let asked = 0;
    cloud.layers.holders = (...of) => {
      asked++;
      return gauge.pass().then(() => holders(...of));
    };
    const seen = new Set<string>();
    const limit = limits.page_items_max;
    for (let after: string | undefined; seen.size < 5 * limit; ) {
      const query = after === undefined ? { limit } : { limit, after };
      const { layers, next } = await cloud.call('listLayers', 'user', { query });
      expect(layers).toHaveLength(limit);
      for (const layer of layers) seen.add(layer.layer_id);
      after = next!;
    }
    expect(seen.size).toBe(5 * limit);
    expect(asked).toBe(5 * limit);
    expect(gauge.most).toBe(limits.queries_in_flight);
    const query = { limit, after: digestOf(LAYERS - 10) };
    const last = await cloud.call('listLayers', 'user', { query });
    expect(last.layers).toHaveLength(9);
    expect(last.next).toBeUndefined();
  });
});

describe('footers', () => {
  it('are read with one request if they are as short as guessed, with two if not', async () => {
    const { objects } = await createEnrolledCloud();
    const entry = 36;
    const few = Math.floor((limits.footer_guess_bytes - 1024) / entry);
    for (const [count, requests] of [
      [few, 1],
      [few + 100, 2],
    ] as const) {
      const pack = makePack(count, count, count);
      await putPack(objects, pack);
      let asked = 0;
      const tail: ObjectJanitor['tail'] = (key, bytes) => {
        asked++;
        return objects.tail(key, bytes);
      };
      expect((await readFooter({ ...objects, tail }, 'default', pack.pack)).chunks).toHaveLength(count);
      expect(asked).toBe(requests);
    }
  });

  it('are read so many at a time', async () => {
    const cloud = await createEnrolledCloud();
    const packs = Array.from({ length: limits.batch_footers_max }, (_, at) => makePack(at * 2, 2));
    for (const pack of packs) await putPack(cloud.objects, pack);
    const gauge = new Gauge();
    const tail: ObjectJanitor['tail'] = (...of) => gauge.pass().then(() => cloud.objects.tail(...of));
    const footers = new FooterCache(limits.footer_cache_bytes);
    const deps = { ...cloud, objects: { ...cloud.objects, tail }, sampling: 1, footers };
    const found = await contentsOf(
      deps,
      'default',
      packs.map(({ pack }) => pack),
    );
    expect(found.size).toBe(packs.length);
    expect(gauge.most).toBe(limits.footer_reads_in_flight);
  });

  it('are remembered as long as there is room for them', () => {
    const third = { bytes: limits.footer_cache_bytes / 3 } as PackContents;
    const cache = new FooterCache(limits.footer_cache_bytes);
    for (const name of ['a', 'b', 'c']) cache.set(name, third);
    expect(cache.get('a')).toBe(third);
    cache.set('d', third);
    expect(cache.get('b'), 'unused for longest').toBeUndefined();
    expect([cache.get('a'), cache.get('c'), cache.get('d')]).toEqual([third, third, third]);
  });
});

describe('a pace', () => {
  it('of progress is kept to the millisecond', () => {
    const pace = new Pace(limits.progress_ms);
    expect(pace.due('task', 0)).toBe(true);
    expect(pace.due('task', limits.progress_ms - 1)).toBe(false);
    expect(pace.due('task', limits.progress_ms)).toBe(true);
  });

  it('is kept for so many keys, those of late', () => {
    const pace = new Pace(1000);
    for (let key = 0; key <= limits.paced_keys_max; key++) pace.due(`${key}`, 0);
    expect(pace.due('1', 0)).toBe(false);
    expect(pace.due('0', 0), 'forgotten').toBe(true);
  });
});

describe('a rebuild', () => {
  async function page(change: Partial<RebuildDeps> = {}) {
    const cloud = await createEnrolledCloud();
    return new Page({ ...cloud, sampling: 1, ...change }, 'default', false);
  }

  it('lists so many objects at a time, works on so many, and begins nothing after its time', async () => {
    const clock = createManualClock(0);
    const listed: number[] = [];
    const cloud = await createEnrolledCloud();
    const list = async (_prefix: string, limit: number) => {
      listed.push(limit);
      return Array.from({ length: limit }, (_, at) => objectKey('ns/default', 'packs', digestOf(at)));
    };
    const gauge = new Gauge();
    const work = () => gauge.pass();
    const open = await page({ clock, objects: { ...cloud.objects, list } });
    const last = await eachObject(open, 'packs', undefined, limits.rebuild_in_flight, work);
    expect(listed).toEqual([limits.rebuild_objects_max]);
    expect(last).toContain(digestOf(limits.rebuild_objects_max - 1));
    expect(gauge.most).toBe(limits.rebuild_in_flight);
    expect(open.isOver).toBe(false);
    await clock.advance(limits.rebuild_call_ms);
    expect(open.isOver).toBe(true);
    const late = await eachObject(open, 'packs', undefined, limits.rebuild_in_flight, work);
    expect(late, 'a call that is late still does something').toContain(digestOf(limits.rebuild_in_flight - 1));
  });

  it('goes through all parts of the index, and remembers so many packs', async () => {
    const parts: number[] = [];
    const asked: string[][] = [];
    const cloud = await createEnrolledCloud();
    const packs = Array.from({ length: limits.rebuild_packs_known + 1 }, (_, at) => digestOf(at));
    const rows: FingerprintIndex['rows'] = async (_namespace, part, of) => {
      expect(of).toBe(limits.rebuild_row_parts);
      parts.push(part);
      return new Map(part < 2 ? packs.map((pack) => [pack, pack]) : []);
    };
    const condemned: FingerprintIndex['condemned'] = async (_namespace, of) => {
      asked.push([...of]);
      return new Set();
    };
    const tail: ObjectJanitor['tail'] = async () => ({ bytes: Buffer.alloc(1), size: 1 });
    const remove: FingerprintIndex['remove'] = async (_namespace, hooks) => hooks.length;
    const index = { ...cloud.index, rows, condemned, remove };
    await dropRows(await page({ index, objects: { ...cloud.objects, tail } }));
    expect(parts).toEqual([...Array(limits.rebuild_row_parts).keys()]);
    expect(asked.slice(0, 3).map(({ length }) => length)).toEqual([packs.length, packs.length, 0]);
  });
});

describe('a fingerprint', () => {
  it('has a row if its first byte says so, one in as many as the default is', () => {
    const hooks = [...Array(256).keys()].filter((byte) => isHook(Buffer.from([byte]), limits.index_sampling_default));
    expect(hooks).toHaveLength(256 / limits.index_sampling_default);
  });
});
