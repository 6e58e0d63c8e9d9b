import { beforeEach, describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { geometryOf } from '../../core/chunk.ts';
import { toHex } from '../../core/fingerprint.ts';
import { decodeAnswer, encodeQuestion } from '../../core/format/batch.ts';
import { migrationScope, namespaceScope, objectKey } from '../../core/format/keys.ts';
import { encodeRoot, layerIdOf } from '../../core/format/root.ts';
import { limits } from '../../core/limits.ts';
import { createEnrolledCloud, createTestCloud, MIGRATION, post, type TestCloud } from '../functions/support/cloud.ts';
import { type MadePack, makePack, putPack } from '../functions/support/packs.ts';
import { seed, surveyed, transfer } from '../functions/support/samples.ts';
import { createStepped } from '../functions/support/steps.ts';

/** What a rebuild and the migrations that run meanwhile do to each other. */
let cloud: TestCloud;
let task: string;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
  ({ id: task } = await post(cloud, 'a/h1', seed(), { what: 'a.h1' }));
});

const announceOf = ({ pack }: MadePack) => ({ params: { task }, body: { attempt: 1, packs: [pack] } });
const announce = (pack: MadePack) => cloud.call('announcePacks', 'h1', announceOf(pack));
const rowsOf = async ({ fingerprints }: MadePack) => cloud.index.lookup('default', fingerprints.map(toHex));
const page = (phase: string, after?: string, check = true) =>
  cloud.call('rebuildIndex', 'user', { body: { phase, check, ...(after === undefined ? {} : { after }) } as never });

async function ask({ fingerprints }: MadePack) {
  const body = encodeQuestion(Buffer.concat(fingerprints));
  const answer = await cloud.call('checkFingerprints', 'h1', { query: { task, attempt: 1 }, body });
  return new Set(decodeAnswer(answer).answers.map(({ status }) => status));
}

/** The same object with a byte of its frame changed. */
async function damageFrame({ key, parts }: MadePack): Promise<void> {
  const bytes = Buffer.concat(parts);
  bytes[50]! ^= 1;
  await cloud.objects.remove([key]);
  await cloud.objects.put(key, [bytes]);
}

describe('a condemned pack', () => {
  it('is promised to nobody, whatever rows and footer caches say', async () => {
    const pack = makePack(0, 8);
    await putPack(cloud.objects, pack);
    await announce(pack);
    expect(await ask(pack)).toEqual(new Set(['have']));
    await cloud.index.condemn('default', pack.pack);
    expect(await ask(pack)).toEqual(new Set(['missing']));
  });

  it('gets no rows, and whoever stores it hears what to do', async () => {
    const pack = makePack(0, 8);
    await putPack(cloud.objects, pack);
    await cloud.index.condemn('default', pack.pack);
    const refused = await cloud.refused('announcePacks', 'h1', announceOf(pack));
    expect(refused).toMatchObject({
      code: 'PACK_CONDEMNED',
      status: 409,
      hint: expect.stringContaining('index rebuild'),
    });
    expect((await rowsOf(pack)).size).toBe(0);
  });

  it('that is condemned while its rows are written loses them again; so does one that goes', async () => {
    for (const what of ['condemned', 'gone'] as const) {
      const pack = makePack(what === 'gone' ? 0 : 100, 8);
      const memory = cloud.index;
      let done = false;
      const index = {
        ...memory,
        async add(...of: Parameters<typeof memory.add>) {
          const added = await memory.add(...of);
          if (!done && what === 'condemned') await memory.condemn('default', pack.pack);
          if (!done && what === 'gone') await cloud.objects.remove([pack.key]);
          done = true;
          return added;
        },
      };
      const raced = createTestCloud({ clock: createManualClock(), ports: { ...cloud, index } });
      await putPack(cloud.objects, pack);
      const refused = await raced.refused('announcePacks', 'h1', announceOf(pack));
      expect(refused.code).toBe(what === 'gone' ? 'OBJECT_MISSING' : 'PACK_CONDEMNED');
      expect((await rowsOf(pack)).size, what).toBe(0);
    }
  });

  it('has lost its rows before its object goes, and may be stored anew then, sound', async () => {
    const [bad, good] = [makePack(0, 8), makePack(100, 8)];
    for (const pack of [bad, good]) {
      await putPack(cloud.objects, pack);
      await announce(pack);
    }
    await damageFrame(bad);
    for (const phase of ['packs', 'rows', 'index', 'records', 'layers', 'segments', 'placements', 'removal']) {
      const there = (await cloud.objects.list(bad.key, 1)).length === 1;
      const promised =
        (await rowsOf(bad)).size > 0 && !(await cloud.index.condemned('default', [bad.pack])).has(bad.pack);
      expect(there || !promised, phase).toBe(true);
      await page(phase);
    }
    expect(await cloud.objects.list(bad.key, 1)).toEqual([]);
    expect([(await rowsOf(bad)).size, (await rowsOf(good)).size]).toEqual([0, 8]);
    await putPack(cloud.objects, bad);
    await announce(bad);
    expect(await ask(bad)).toEqual(new Set(['have']));
  });
});

describe('a layer that was being sent while something was taken out', () => {
  const root = { geometry: geometryOf(1 << 30, 65_536), parent: Buffer.alloc(32), segmentIds: Buffer.alloc(4 * 32) };
  const layerId = toHex(layerIdOf(root));
  const layer = { ...surveyed('os', 'debian', null), layer_id: layerId };

  async function record(startedMs: number): Promise<boolean> {
    ({ id: task } = await post(cloud, 'a/h1', seed([transfer(layerId, 'dedup', layer)]), {
      token: `t${startedMs}`,
      what: `at-${startedMs}`,
    }));
    const vm = { name: 'web-1', run: 1, source: 'a/h1', epoch: 0, state: 'moving', startedMs } as const;
    await cloud.migrations.putVm(MIGRATION, vm);
    await cloud.objects.put(objectKey(namespaceScope('default'), 'layers', layerId), [encodeRoot(root)]);
    const body = { attempt: 1, layer_id: layerId, layer, chunk_bytes: 65_536 };
    await cloud.call('recordLayer', 'h1', { params: { task }, body });
    return (await cloud.layers.find('default', layerId)) !== undefined;
  }

  it('is not recorded: what it found there may be gone', async () => {
    await cloud.layers.noteRemoval('default', 100);
    expect(await record(100)).toBe(false);
    expect(await record(101)).toBe(true);
  });
});

describe('what a failed migration sent for itself alone', () => {
  it.each([
    ['LAYER_CHANGED', 1],
    ['FRAME_CORRUPT', 0],
    ['OBJECT_MISSING', 0],
  ])('after %s: %i objects stay', async (code, kept) => {
    const stepped = await createStepped();
    await stepped.step({ step: 'prepare' });
    const key = `${migrationScope('default', MIGRATION)}/packs/aa/x`;
    await stepped.cloud.objects.put(key, [Buffer.of(1)]);
    const error = { Error: code, Cause: JSON.stringify({ code, message: 'what it was' }) };
    await stepped.step({ step: 'rollback-vm', vm: 'web-1', error });
    await stepped.step({ step: 'finish', round: 0 });
    expect((await stepped.record())?.state).toBe('failed');
    expect(await stepped.cloud.objects.list(key, 1)).toHaveLength(kept);
  });
});

describe('a page', () => {
  it('does a bounded part, and the cursor leads through all of it', async () => {
    const count = limits.rebuild_objects_max + 10;
    const packs = Array.from({ length: count }, (_, at) => makePack(at * 10, 2));
    for (const pack of packs) await putPack(cloud.objects, pack);
    const first = await page('packs');
    expect(first).toMatchObject({ packs_read: limits.rebuild_objects_max, next: { phase: 'packs' } });
    const second = await page('packs', first.next?.after);
    expect(second.packs_read).toBe(10);
    expect(second.rows_written, 'and goes on to the next phases').toBe(2 * limits.rebuild_objects_max);
  });

  it('begins nothing new when its time is over', async () => {
    for (let at = 0; at < 5; at++) await putPack(cloud.objects, makePack(at * 10, 2));
    const { objects, clock } = cloud;
    const slow = {
      ...objects,
      tail: async (key: string, bytes: number) => {
        await clock.advance(limits.rebuild_call_ms);
        return objects.tail(key, bytes);
      },
    };
    const raced = createTestCloud({ clock, ports: { ...cloud, objects: slow } });
    const told = await raced.call('rebuildIndex', 'user', { body: { phase: 'packs', check: true } });
    expect(told).toMatchObject({ packs_read: 1, next: { phase: 'packs', after: expect.any(String) } });
  });

  it('of a phase that is none is refused', async () => {
    expect((await cloud.refused('rebuildIndex', 'user', { body: { phase: 'all' } })).code).toBe('BODY_INVALID');
    const bad = { body: { phase: 'layers', after: 'nonsense@1' } };
    expect((await cloud.refused('rebuildIndex', 'user', bad)).code).toBe('BODY_INVALID');
  });
});
