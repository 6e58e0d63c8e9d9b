import { beforeEach, describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { objectKey } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import { createHandler } from '../../functions/gc/handler.ts';
import { leavingAmong, takeIntoUse } from '../../functions/packs/in-use.ts';
import { createTestCloud, MIGRATION } from '../functions/support/cloud.ts';
import { id } from '../functions/support/samples.ts';
import { RECORD } from '../functions/support/steps.ts';
import { newId } from './support.ts';

const DAY_MS = 24 * 3600_000;
const ROOT = id('a root that nothing needs');
const KEY = objectKey('ns/default', 'layers', ROOT);

let cloud: ReturnType<typeof createTestCloud<ReturnType<typeof createManualClock>>>;
beforeEach(async () => {
  cloud = createTestCloud({ clock: createManualClock() });
  await cloud.objects.put(KEY, [Buffer.from('root')]);
});

let chance = 0;
const random = { bytes: (count: number) => Buffer.alloc(count, ++chance) };

function pages(ports: Partial<typeof cloud> = {}) {
  return createHandler({ ...cloud, ...ports, random, sampling: 1, layerUnusedDays: 180 });
}

async function collect(ports: Partial<typeof cloud> = {}, collection = newId()) {
  const step = pages(ports);
  const about = { namespace: 'default', collection };
  await step({ step: 'begin', ...about, dry_run: false });
  while (((await step({ step: 'collect', ...about })) as { more: boolean }).more);
  return (await cloud.collections.find('default'))!;
}

const isThere = async () => (await cloud.objects.list(KEY, 1)).length === 1;
const leaving = () => leavingAmong(cloud, 'default', 'layers', [ROOT]);
const put = () => cloud.objects.put(KEY, [Buffer.from('root')]);

describe('the grace', () => {
  it('is counted to the millisecond, from when nothing needed the object any more', async () => {
    await collect();
    await cloud.clock.advance(limits.garbage_grace_ms - 1);
    expect((await collect()).counts.objects.layers.waiting.objects).toBe(1);
    await cloud.clock.advance(1);
    expect((await collect()).counts.objects.layers.removed).toEqual({ objects: 1, bytes: 4 });
    expect(await isThere()).toBe(false);
  });

  it('begins anew with each use', async () => {
    await collect();
    await cloud.clock.advance(limits.garbage_grace_ms);
    expect(await leaving()).toEqual(new Set());
    for (const days of [0, 7]) {
      await cloud.clock.advance(days * DAY_MS);
      await collect();
      expect(await isThere()).toBe(true);
    }
    await cloud.clock.advance(DAY_MS);
    await collect();
    expect(await isThere()).toBe(false);
  });
});

describe('a removal', () => {
  const due = async () => {
    await collect();
    await cloud.clock.advance(limits.garbage_grace_ms);
  };

  it('does not begin if the object came into use at that very moment', async () => {
    await due();
    const idle: typeof cloud.idle = {
      ...cloud.idle,
      async remove(...asked) {
        expect(await leaving()).toEqual(new Set());
        return await cloud.idle.remove(...asked);
      },
    };
    expect((await collect({ idle })).counts.objects.layers).toMatchObject({
      waiting: { objects: 1 },
      removed: { objects: 0 },
    });
    expect(await isThere()).toBe(true);
  });

  it('that has begun lets nobody rely on the object, until it was put again and the fence is over', async () => {
    await due();
    await collect();
    await put();
    expect(await leaving()).toEqual(new Set([ROOT]));
    await expect(takeIntoUse(cloud, 'default', 'layers', [ROOT])).rejects.toMatchObject({ code: 'OBJECT_LEAVING' });
    await cloud.clock.advance(limits.removal_fence_ms - 1);
    expect(await leaving()).toEqual(new Set([ROOT]));
    await cloud.clock.advance(1);
    await cloud.objects.remove([KEY]);
    expect(await leaving(), 'it is not there').toEqual(new Set([ROOT]));
    await put();
    expect(await leaving()).toEqual(new Set());
    expect((await cloud.idle.find('default', 'layers', [ROOT])).size).toBe(0);
  });

  it('that was cut off is ended by the next run, whatever the grace', async () => {
    await due();
    const objects = { ...cloud.objects, remove: () => Promise.reject(new Error('cut off')) };
    await expect(collect({ objects })).rejects.toMatchObject({ name: 'INTERNAL' });
    expect(await isThere()).toBe(true);
    expect(await leaving()).toEqual(new Set([ROOT]));
    await cloud.clock.advance(limits.collection_stale_ms);
    expect((await collect()).counts.objects.layers.removed.objects).toBe(1);
    expect(await isThere()).toBe(false);
  });
});

describe('two runs', () => {
  const running = { body: { id: newId() } };

  it('do not have a namespace at the same time, unless one of them was not heard of for long', async () => {
    await cloud.call('collectGarbage', 'user', running);
    await cloud.call('collectGarbage', 'user', running);
    expect(cloud.collector).toMatchObject({
      executions: new Map([[running.body.id, { namespace: 'default', dry_run: false }]]),
    });
    const other = { body: { id: newId() } };
    expect(await cloud.refused('collectGarbage', 'user', other)).toMatchObject({
      code: 'COLLECTION_RUNNING',
      status: 409,
    });
    const begun = await pages()({ step: 'begin', namespace: 'default', collection: other.body.id, dry_run: false });
    expect(begun).toEqual({ begun: false });
    await cloud.clock.advance(limits.collection_stale_ms);
    expect(await cloud.call('collectGarbage', 'user', other)).toMatchObject({ id: other.body.id, state: 'running' });
    const late = pages()({ step: 'collect', namespace: 'default', collection: running.body.id });
    await expect(late).rejects.toMatchObject({ name: 'COLLECTION_STALE' });
    const view = await cloud.call('getCollection', 'user', { params: { collection: other.body.id } });
    expect(view).toMatchObject({ id: other.body.id, state: 'running', dry_run: false, layers_kept: 0 });
    const params = { collection: running.body.id };
    expect(await cloud.refused('getCollection', 'user', { params })).toMatchObject({ code: 'COLLECTION_UNKNOWN' });
  });

  it('of one page count it once', async () => {
    const about = { namespace: 'default', collection: newId() };
    const step = pages();
    await step({ step: 'begin', ...about, dry_run: false });
    await Promise.all([step({ step: 'collect', ...about }), step({ step: 'collect', ...about })]);
    expect(await cloud.collections.find('default')).toMatchObject({
      page: 1,
      state: 'done',
      counts: { objects: { layers: { waiting: { objects: 1 } } } },
    });
  });
});

describe('a run', () => {
  it('goes on page by page when a call has no more time, and fails once there are too many', async () => {
    for (let at = 0; at < 3 * limits.collection_in_flight; at++)
      await cloud.objects.put(objectKey('ns/default', 'segments', id(`s${at}`)), [Buffer.from('s')]);
    const objects: typeof cloud.objects = {
      ...cloud.objects,
      async sizes(...asked) {
        await cloud.clock.advance(limits.collection_call_ms);
        expect(asked[1]).toBe(limits.collection_objects_max);
        return await cloud.objects.sizes(...asked);
      },
    };
    const run = await collect({ objects });
    expect(run.page).toBeGreaterThan(4);
    expect(run.counts.objects.segments.waiting.objects).toBe(3 * limits.collection_in_flight);
    expect(await cloud.objects.list('ns/default/garbage/', 9)).toEqual([]);
    const about = { namespace: 'default', collection: newId() };
    await pages()({ step: 'begin', ...about, dry_run: false });
    const begun = (await cloud.collections.find('default'))!;
    await cloud.collections.replace(begun, { ...begun, page: limits.collection_pages_max - 1 });
    await expect(pages({ objects })({ step: 'collect', ...about })).rejects.toMatchObject({
      name: 'COLLECTION_TOO_LONG',
    });
    const error = {
      Error: 'COLLECTION_TOO_LONG',
      Cause: JSON.stringify({ errorMessage: JSON.stringify({ code: 'COLLECTION_TOO_LONG', message: 'm' }) }),
    };
    await pages()({ step: 'give-up', ...about, error });
    expect(await cloud.collections.find('default')).toMatchObject({
      state: 'failed',
      error: { code: 'COLLECTION_TOO_LONG' },
    });
  });

  it.each([
    ['committed', 2 * DAY_MS, 'removed'],
    ['aborted', DAY_MS - 1, 'needed'],
    ['aborted', DAY_MS, 'removed'],
    ['moving', 9 * DAY_MS, 'needed'],
    ['failed', limits.resume_seconds_max * 1000 + DAY_MS - 1, 'needed'],
    ['failed', limits.resume_seconds_max * 1000 + DAY_MS, 'removed'],
  ] as const)('finds what a migration left that is %s, after %d ms, to be %s', async (state, afterMs, fate) => {
    const nowMs = cloud.clock.nowMs();
    const times = { createdMs: nowMs, ...(state === 'moving' ? {} : { endedMs: nowMs }) };
    await cloud.migrations.create({ ...RECORD, ...times, state });
    const key = `ns/default/migrations/${MIGRATION}/packs/00/x`;
    const unknown = `ns/default/migrations/m${'9'.repeat(20)}/packs/00/x`;
    for (const each of [key, unknown]) await cloud.objects.put(each, [Buffer.from('12345')]);
    await cloud.clock.advance(afterMs);
    const { migrations } = (await collect()).counts.objects;
    expect(migrations[fate]).toEqual({ objects: 1, bytes: 5 });
    expect(migrations.waiting.objects, 'of a migration that nobody knows').toBe(1);
    expect((await cloud.objects.list(key, 1)).length).toBe(fate === 'removed' ? 0 : 1);
  });
});
