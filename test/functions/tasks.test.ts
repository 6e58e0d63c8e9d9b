import { beforeEach, describe, expect, it } from 'vitest';
import type { TaskInput } from '../../core/api/tasks.ts';
import { geometryOf } from '../../core/chunk.ts';
import { fromHex, sha256, toHex } from '../../core/fingerprint.ts';
import { namespaceScope, objectKey } from '../../core/format/keys.ts';
import { encodeRoot } from '../../core/format/root.ts';
import { createEnrolledCloud, MIGRATION, post, type TestCloud } from './support/cloud.ts';
import { makePack, putPack } from './support/packs.ts';
import { chain, cutover, follow, id, receipt, seed, survey, surveyed, transfer } from './support/samples.ts';

let cloud: TestCloud;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
  const vm = { run: 1, source: 'a/h1', epoch: 0, state: 'waiting' } as const;
  for (const name of ['web-1', 'web-2']) await cloud.migrations.putVm(MIGRATION, { ...vm, name });
});

const vmOf = async (name: string) => (await cloud.migrations.vms(MIGRATION)).find((vm) => vm.name === name);

/** Calls that a task's agent makes while it works, each with a body that is right. */
const OPEN_CALLS = [
  ['grant', { attempt: 1 }],
  ['announcePacks', { attempt: 1, packs: [] }],
  ['commitRound', { attempt: 1, stream: id('debian'), sequence: 0, segments: [] }],
  ['recordLayer', { attempt: 1, layer_id: id('debian'), layer: chain('x')[0], chunk_bytes: 65_536 }],
  ['storeReceipt', { attempt: 1, receipt: receipt('destination', 'web-1') }],
  ['announcePresence', { attempt: 1, has: [], lost: [] }],
] as const;

describe.each(OPEN_CALLS)('%s', (name, body) => {
  it('is refused to others, to old attempts, for closed and for unknown tasks', async () => {
    const { id: task } = await post(cloud, 'a/h1', seed());
    const asked = { params: { task }, body };
    expect((await cloud.refused(name, 'h2', asked)).code).toBe('CALLER_REFUSED');
    expect((await cloud.refused(name, 'h1', { ...asked, body: { ...body, attempt: 2 } })).code).toBe('ATTEMPT_STALE');
    const unknown = { ...asked, params: { task: `${MIGRATION}.seed.none` } };
    expect((await cloud.refused(name, 'h1', unknown)).code).toBe('TASK_UNKNOWN');
    const elsewhere = { ...asked, headers: { 'x-layermover-namespace': 'other' } };
    expect((await cloud.refused(name, 'h1', elsewhere)).code).toBe('TASK_UNKNOWN');
    await cloud.tasks.cancel(task);
    expect((await cloud.refused(name, 'h1', asked)).code).toBe('ABORTED');
  });
});

describe('a grant', () => {
  const SHARED = ['packs', 'segments', 'placements', 'layers'].map((kind) => `ns/default/${kind}/`);
  const OWN = `ns/default/migrations/${MIGRATION}/`;

  it.each([
    ['seed of deduplicated layers', 'h1', seed(), SHARED],
    ['cutover of user data that goes direct', 'h1', cutover('web-1', 'direct'), [OWN]],
    ['cutover of user data that is deduplicated', 'h1', cutover('web-1', 'dedup'), SHARED],
    ['fetch', 'h2', { ...seed(), kind: 'fetch' }, []],
    ['follow', 'h2', follow('web-1'), []],
  ] as [string, 'h1' | 'h2', TaskInput, string[]][])(
    'for a %s opens no more than it needs',
    async (_, host, input, write) => {
      const { id: task } = await post(cloud, host === 'h1' ? 'a/h1' : 'b/h2', input);
      const grant = await cloud.call('grant', host, { params: { task }, body: { attempt: 1 } });
      expect(grant.credentials.accessKeyId).toBe('GRANT0');
      expect(cloud.granter.granted).toEqual([{ session: task, write, read: [...SHARED, OWN, 'ns/public/'] }]);
    },
  );
});

it('a survey gets no grant: it touches no objects', async () => {
  const { id: task } = await post(cloud, 'a/h1', survey('web-1'));
  const told = await cloud.refused('grant', 'h1', { params: { task }, body: { attempt: 1 } });
  expect(told.code).toBe('BODY_INVALID');
  expect(cloud.granter.granted).toEqual([]);
});

describe('packs', () => {
  it('that are not there, or not what their id says, are refused and get no rows', async () => {
    const { id: task } = await post(cloud, 'a/h1', seed());
    const fine = makePack(0, 4);
    const other = makePack(100, 4);
    await putPack(cloud.objects, fine);
    const announce = (packs: string[]) =>
      cloud.refused('announcePacks', 'h1', { params: { task }, body: { attempt: 1, packs } });
    expect((await announce([fine.pack, other.pack])).code).toBe('OBJECT_MISSING');
    await cloud.objects.put(other.key, fine.parts);
    expect((await announce([fine.pack, other.pack])).code).toBe('FORMAT_REFUSED');
    const torn = [...fine.parts.slice(0, -1), Buffer.from('LMPACK00'.padStart(16))];
    await cloud.objects.remove([other.key]);
    await cloud.objects.put(other.key, torn);
    expect((await announce([other.pack])).code).toBe('FORMAT_REFUSED');
    expect((await cloud.index.lookup('default', fine.fingerprints.map(toHex))).size).toBe(0);
  });

  it('with frames cut out are refused', async () => {
    const { id: task } = await post(cloud, 'a/h1', seed());
    const pack = makePack(0, 100, 40);
    await cloud.objects.put(pack.key, pack.parts.slice(2));
    const asked = { params: { task }, body: { attempt: 1, packs: [pack.pack] } };
    expect((await cloud.refused('announcePacks', 'h1', asked)).code).toBe('FORMAT_REFUSED');
  });

  it('get rows from a footer longer than the first read', async () => {
    const { id: task } = await post(cloud, 'a/h1', seed());
    const pack = makePack(0, 3000);
    await putPack(cloud.objects, pack);
    await cloud.call('announcePacks', 'h1', { params: { task }, body: { attempt: 1, packs: [pack.pack] } });
    const rows = await cloud.index.lookup('default', pack.fingerprints.map(toHex));
    expect([rows.size, rows.get(toHex(pack.fingerprints[2999]!))]).toEqual([3000, pack.pack]);
  });
});

describe('a round', () => {
  const round = { attempt: 1, stream: id('debian'), sequence: 3, segments: [{ index: 0, id: id('s') }] };

  it('is appended once, however often it is sent', async () => {
    const { id: task } = await post(cloud, 'a/h1', seed());
    for (let at = 0; at < 2; at++) await cloud.call('commitRound', 'h1', { params: { task }, body: round });
    const { stream, segments } = round;
    expect(await cloud.migrations.rounds(MIGRATION, stream, 9)).toEqual([
      { stream, segments, cursor: '0001.last.000001.00000003' },
    ]);
  });

  it.each([
    ['a layer that the task does not push', 'h1', seed(), { stream: id('another') }],
    ['a base layer of a cutover', 'h1', cutover('web-1'), {}],
    ['a task that pulls', 'h2', { ...seed(), kind: 'fetch' }, {}],
  ] as [string, 'h1' | 'h2', TaskInput, object][])('of %s is refused', async (_, host, input, change) => {
    const { id: task } = await post(cloud, host === 'h1' ? 'a/h1' : 'b/h2', input);
    const told = await cloud.refused('commitRound', host, { params: { task }, body: { ...round, ...change } });
    expect(told.code).toBe('BODY_INVALID');
  });
});

describe('a layer', () => {
  const root = { geometry: geometryOf(1 << 30, 65_536), parent: Buffer.alloc(32), segmentIds: Buffer.alloc(32 * 4) };
  const bytes = encodeRoot(root);
  const layerId = toHex(sha256(bytes));
  const layer = { ...surveyed('os', 'debian', null), layer_id: layerId };
  const body = { attempt: 1, layer_id: layerId, layer, chunk_bytes: 65_536 };
  const key = objectKey(namespaceScope('default'), 'layers', layerId);
  let task: string;
  beforeEach(async () => {
    ({ id: task } = await post(cloud, 'a/h1', seed([transfer(layerId, 'dedup', layer)])));
  });
  const refused = (change: object) =>
    cloud.refused('recordLayer', 'h1', { params: { task }, body: { ...body, ...change } });

  it('is recorded as its root says', async () => {
    await cloud.objects.put(key, [bytes]);
    await cloud.call('recordLayer', 'h1', { params: { task }, body });
    expect(await cloud.layers.find('default', layerId)).toMatchObject({
      layerId,
      parent: null,
      kind: 'os',
      virtualBytes: 1 << 30,
    });
  });

  it('without a root, with another’s root, or said to be what it is not, is refused', async () => {
    expect((await refused({})).code).toBe('OBJECT_MISSING');
    await cloud.objects.put(key, [encodeRoot({ ...root, parent: fromHex(id('p')) })]);
    expect((await refused({})).code).toBe('FORMAT_REFUSED');
    await cloud.objects.remove([key]);
    await cloud.objects.put(key, [bytes]);
    expect((await refused({ layer: { ...layer, virtual_bytes: 5 } })).code).toBe('BODY_INVALID');
    expect((await refused({ chunk_bytes: 4096 })).code).toBe('BODY_INVALID');
    expect((await refused({ layer: { ...layer, parent: id('p') } })).code).toBe('BODY_INVALID');
    expect((await refused({ layer_id: id('another') })).code).toBe('BODY_INVALID');
    expect(await cloud.layers.find('default', layerId)).toBeUndefined();
  });

  it('that goes direct is not the namespace’s', async () => {
    await cloud.objects.put(key, [bytes]);
    ({ id: task } = await post(cloud, 'a/h1', seed([transfer(layerId, 'direct', layer)]), { what: 'direct' }));
    expect((await refused({})).code).toBe('BODY_INVALID');
  });
});

describe('a receipt', () => {
  it('of the destination is stored', async () => {
    const { id: task } = await post(cloud, 'b/h2', follow('web-1'));
    const said = receipt('destination', 'web-1');
    await cloud.call('storeReceipt', 'h2', { params: { task }, body: { attempt: 1, receipt: said } });
    expect((await vmOf('web-1'))?.destinationReceipt).toEqual(said);
  });

  it.each([
    ['another VM', receipt('destination', 'web-2')],
    ['the other side', receipt('source', 'web-1')],
    ['another migration', receipt('destination', 'web-1', 'x', `m${'2'.repeat(20)}`)],
  ])('of %s is refused', async (_, said) => {
    const { id: task } = await post(cloud, 'b/h2', follow('web-1'));
    const told = await cloud.refused('storeReceipt', 'h2', { params: { task }, body: { attempt: 1, receipt: said } });
    expect(told.code).toBe('BODY_INVALID');
  });
});

describe('presence', () => {
  it('is announced and withdrawn for the task’s own host', async () => {
    const { id: task } = await post(cloud, 'b/h2', follow('web-1'));
    await cloud.layers.announce('default', 'b/h2', [id('lost')]);
    const body = { attempt: 1, has: [id('debian')], lost: [id('lost')] };
    await cloud.call('announcePresence', 'h2', { params: { task }, body });
    expect(await cloud.layers.present('default', 'b/h2', [id('debian'), id('lost')])).toEqual(new Set([id('debian')]));
  });
});
