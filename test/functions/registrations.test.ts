import { beforeEach, describe, expect, it } from 'vitest';
import { geometryOf } from '../../core/chunk.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { decodeAnswer, encodeQuestion } from '../../core/format/batch.ts';
import { namespaceScope, objectKey } from '../../core/format/keys.ts';
import { encodeRoot } from '../../core/format/root.ts';
import { limits } from '../../core/limits.ts';
import { migrationIdOf } from '../../functions/migrations/create.ts';
import { BASES, type ScriptedAgent } from './support/agent.ts';
import { createEnrolledCloud, MIGRATION, post, type TestCloud } from './support/cloud.ts';
import type { Asked } from './support/event.ts';
import { makePack } from './support/packs.ts';
import { chain, id, publishing, seed } from './support/samples.ts';
import { RECORD } from './support/steps.ts';
import { createWorld, type World } from './support/world.ts';

const R = migrationIdOf('default', 'register-1');
const ask = (change: object = {}) => ({
  body: { request_id: 'register-1', host: 'a/h1' as const, files: ['lamp.qcow2'], kind: 'we' as const, ...change },
});
const found = { params: { migration: R } };

async function ended({ cloud }: World) {
  for (let second = 0; second < 1000 && (await cloud.execution(R)).status === 'RUNNING'; second++)
    await cloud.time.advance(1000);
  return await cloud.call('getRegistration', 'user', found);
}

describe('a registration, under the one workflow', () => {
  it('is a task of its host, and tells what the layers are and that the host has them', async () => {
    const world = await createWorld();
    await world.cloud.call('registerLayers', 'user', ask());
    const done = await ended(world);
    expect(done).toMatchObject({ state: 'done', layers: [{ published: false }, { published: false }] });
    expect(done.read).toEqual({ done_bytes: 1000, total_bytes: 2000 });
    expect(world.source.seen).toEqual(['register 1']);
    expect(world.destination.seen).toEqual([]);
    const { layers } = await world.cloud.call('listLayers', 'user', {});
    expect(layers.map((layer) => [layer.name, layer.stored, layer.holders])).toEqual(
      BASES.map(({ name }) => [name, false, ['a/h1']]).sort(),
    );
    // It moves no VM: no list of migrations has it, and no event tells of it.
    expect((await world.cloud.call('listMigrations', 'user', {})).migrations).toEqual([]);
    expect(world.cloud.events.emitted).toEqual([]);
    expect((await world.cloud.call('getMigration', 'user', found)).state).toBe('committed');
  });

  it('is the same one by the same request, and another request may not have its id', async () => {
    const world = await createWorld();
    const { id: first } = await world.cloud.call('registerLayers', 'user', ask());
    expect(first).toBe(R);
    expect((await world.cloud.call('registerLayers', 'user', ask())).id).toBe(R);
    await ended(world);
    expect((await world.cloud.call('registerLayers', 'user', ask())).state).toBe('done');
    expect(world.source.seen).toEqual(['register 1']);
    for (const change of [{ publish: true }, { files: ['other.qcow2'] }, { kind: 'os' }, { host: 'b/h2' }])
      expect((await world.cloud.refused('registerLayers', 'user', ask(change))).code).toBe('REQUEST_ID_REUSED');
    const migration = { body: { request_id: 'register-1', vms: ['web-1'], to: 'b/h2' } };
    expect((await world.cloud.refused('createMigration', 'user', migration)).code).toBe('REQUEST_ID_REUSED');
  });

  it('that publishes has what it misses pushed, and fails if that is not in the store in the end', async () => {
    const world = await createWorld();
    const { layers } = world.cloud;
    await layers.record('public', recordOf(BASES[0]!));
    await world.cloud.call('registerLayers', 'user', ask({ publish: true }));
    // The scripted agent pushes nothing, so that the store has not all of the second layer.
    expect(await ended(world)).toMatchObject({ state: 'failed', error: { code: 'NOT_PUBLISHED' } });
    expect(world.source.seen.toSorted()).toEqual(['fetch 1', 'register 1', 'seed 1']);
    const task = (await world.cloud.tasks.find(`${R}.seed.a.h1`))!;
    expect(task.input).toMatchObject({ layers: [{ stream: BASES[1]!.layer_id, published: true, stored: false }] });
    await layers.record('public', recordOf(BASES[1]!));
    await world.cloud.call('resumeMigration', 'user', { ...found, body: { run: 1 } });
    for (let second = 0; second < 100; second++) await world.cloud.time.advance(1000);
    const resumed = await world.cloud.call('getRegistration', 'user', found);
    expect(resumed).toMatchObject({ state: 'done', run: 2, layers: [{ published: true }, { published: true }] });
  });

  it('that is aborted stops its agent', async () => {
    const world = await createWorld({ source: { before: async () => true } });
    await world.cloud.call('registerLayers', 'user', ask());
    await world.cloud.time.advance(5000);
    await world.cloud.call('abortMigration', 'user', found);
    expect(await ended(world)).toMatchObject({ state: 'aborted', error: { code: 'ABORTED' } });
    expect((await world.cloud.tasks.find(`${R}.register.a.h1`))?.outcome?.status).toBe('cancelled');
  });

  it('fails with what its agent says, and is refused an agent’s word that is not so', async () => {
    const agents: { at?: ScriptedAgent } = {};
    const bad = { kind: 'register', streams: [], layers: [{ ...chain('x')[2]!, layer_id: id('x') }] };
    const world = await createWorld({
      source: {
        before: async (task) => {
          await expect(agents.at!.report(task, { status: 'done', result: bad })).rejects.toThrow('BODY_INVALID');
          const error = { code: 'IMAGE_NOT_FOUND', message: 'no such file' };
          await agents.at!.report(task, { status: 'failed', error });
          return true;
        },
      },
    });
    agents.at = world.source;
    await world.cloud.call('registerLayers', 'user', ask());
    expect(await ended(world)).toMatchObject({ state: 'failed', error: { code: 'IMAGE_NOT_FOUND' }, layers: [] });
    expect((await world.cloud.call('listLayers', 'user', {})).layers).toEqual([]);
  });
});

function recordOf({ layer_id: layerId, parent, kind, name }: (typeof BASES)[number]) {
  return { layerId, parent, kind, name, virtualBytes: 1, chunkBytes: 65_536, dataBytes: 1, recordedMs: 1 };
}

describe('the public namespace', () => {
  let cloud: TestCloud;
  beforeEach(async () => {
    cloud = await createEnrolledCloud();
    await cloud.migrations.create({ ...RECORD, registration: { files: ['x'], kind: 'os', publish: true } });
  });

  const inPublic = { headers: { 'x-layermover-namespace': 'public' } };

  it('is nobody’s own: no host enrols in it, nothing is moved in it, and an operator may keep its store in order', async () => {
    const refused = async (name: 'enrolHost' | 'createMigration' | 'listLayers' | 'registerLayers', asked: Asked) =>
      (await cloud.refused(name, 'user', { ...asked, ...inPublic })).code;
    const body = { version: '1', vms: [], free_bytes: 1, layers: [] };
    expect(await refused('enrolHost', { params: { site: 'a', host: 'h9' }, body })).toBe('BODY_INVALID');
    expect(await refused('createMigration', { body: { request_id: 'x'.repeat(8), vms: ['v'], to: 'a/h1' } })).toBe(
      'BODY_INVALID',
    );
    expect(await refused('listLayers', {})).toBe('BODY_INVALID');
    expect(await refused('registerLayers', ask())).toBe('BODY_INVALID');
    const garbage = { body: { id: `g${'0'.repeat(20)}` } };
    expect((await cloud.call('collectGarbage', 'user', garbage, 'public')).state).toBe('running');
  });

  it('is published to by operators: who is bound to a host may register, and no more', async () => {
    const role = `arn:aws:iam::123456789012:role/h1`;
    await cloud.call('bindHost', 'operator', { params: { site: 'a', host: 'h1' }, body: { identity: role } });
    const as = { caller: 'arn:aws:sts::123456789012:assumed-role/h1/i-1' };
    const enrolment = { version: '1', vms: [], free_bytes: 1, layers: [] };
    await cloud.send('enrolHost', { params: { site: 'a', host: 'h1' }, body: enrolment, ...as });
    const status = async (change: object) => (await cloud.send('registerLayers', { ...ask(change), ...as })).statusCode;
    expect(await status({ publish: true })).toBe(403);
    expect(await status({})).toBe(200);
    const withdrawal = { params: { layer: id('x') }, body: {}, ...as };
    expect((await cloud.send('withdrawLayer', withdrawal)).statusCode).toBe(403);
  });

  const kindsIn = (namespace: string) =>
    ['packs', 'segments', 'placements', 'layers'].map((kind) => `${namespaceScope(namespace)}/${kind}/`);
  it('is written by the one task that publishes, which writes nowhere else; all that move layers read it', async () => {
    for (const [input, write] of [
      [publishing(), kindsIn('public')],
      [seed(), kindsIn('default')],
      [{ ...publishing(), kind: 'fetch' as const }, [] as string[]],
    ] as const) {
      const { id: task } = await post(cloud, 'a/h1', input, { token: `${input.kind} ${write[0]}` });
      const attempt = (await cloud.tasks.find(task))!.attempt;
      await cloud.call('grant', 'h1', { params: { task }, body: { attempt } });
      expect(cloud.granter.granted.at(-1)).toEqual({
        session: task,
        write,
        read: [...kindsIn('default'), `ns/default/migrations/${MIGRATION}/`, 'ns/public/'],
      });
    }
  });

  it('has an index of its own: what a tenant has is not told to whoever publishes, nor the other way round', async () => {
    const pack = makePack(0, 4);
    const put = (namespace: string) =>
      cloud.objects.put(objectKey(namespaceScope(namespace), 'packs', pack.pack), pack.parts);
    for (const namespace of ['default', 'public']) await put(namespace);
    const status = async (task: string, attempt: number) => {
      const body = encodeQuestion(Buffer.concat(pack.fingerprints));
      const answer = await cloud.call('checkFingerprints', 'h1', { query: { task, attempt }, body });
      return decodeAnswer(answer).answers[0]!.status;
    };
    const { id: own, attempt } = await post(cloud, 'a/h1', seed());
    await cloud.call('announcePacks', 'h1', { params: { task: own }, body: { attempt, packs: [pack.pack] } });
    expect(await status(own, attempt)).toBe('have');
    const { id: task, attempt: again } = await post(cloud, 'a/h1', publishing(), { token: 'publishing', what: 'y' });
    expect(await status(task, again)).toBe('missing');
    await cloud.call('announcePacks', 'h1', { params: { task }, body: { attempt: again, packs: [pack.pack] } });
    expect(await status(task, again)).toBe('have');
    expect((await cloud.index.rows('public', 0, 1)).size).toBe(4);
  });

  it('records a layer only if nothing was taken out of it since that was asked for', async () => {
    const root = { geometry: geometryOf(1 << 30, 65_536), parent: Buffer.alloc(32), segmentIds: Buffer.alloc(32 * 4) };
    const bytes = encodeRoot(root);
    const layerId = toHex(sha256(bytes));
    const [transfer] = publishing().layers;
    const layer = { ...transfer!.layer, layer_id: layerId };
    const input = { ...publishing(), layers: [{ ...transfer!, stream: layerId, layer }] };
    const { id: task, attempt } = await post(cloud, 'a/h1', input);
    await cloud.objects.put(objectKey('ns/public', 'layers', layerId), [bytes]);
    const body = { attempt, layer_id: layerId, layer, chunk_bytes: 65_536 };
    await cloud.layers.noteRemoval('public', RECORD.createdMs + 1);
    await cloud.call('recordLayer', 'h1', { params: { task }, body });
    expect(await cloud.layers.find('public', layerId)).toBeUndefined();
    await cloud.layers.noteRemoval('public', RECORD.createdMs - 1);
    await cloud.call('recordLayer', 'h1', { params: { task }, body });
    expect(await cloud.layers.find('public', layerId)).toMatchObject({ kind: 'os' });
    expect(await cloud.layers.find('default', layerId)).toBeUndefined();
  });
});

it('a registration has bounds', async () => {
  const cloud = await createEnrolledCloud();
  const files = (count: number) => ask({ files: Array.from({ length: count }, (_, at) => `${at}.qcow2`) });
  const over = await cloud.refused('registerLayers', 'user', files(limits.register_files_max + 1));
  expect(over.code).toBe('BODY_INVALID');
  await cloud.call('registerLayers', 'user', files(limits.register_files_max));
  const { id: task } = await post(cloud, 'a/h1', {
    kind: 'register',
    migration: MIGRATION,
    run: 1,
    chunk_bytes: 65_536,
    files: ['x'],
    layer_kind: 'os',
  });
  const report = (count: number) => {
    const layers = Array.from({ length: count }, (_, at) => ({
      ...BASES[0]!,
      layer_id: toHex(Buffer.alloc(32, `${at}`)),
    }));
    return {
      params: { task },
      body: { attempt: 1, outcome: { status: 'done', result: { kind: 'register', streams: [], layers } } },
    };
  };
  expect((await cloud.refused('reportTask', 'h1', report(limits.registered_layers_max + 1))).code).toBe('BODY_INVALID');
});
