import { beforeEach, describe, expect, it } from 'vitest';
import type { RouteName } from '../../core/api/routes.ts';
import { type Route, routes } from '../../core/api/routes.ts';
import { identityOf } from '../../core/identity.ts';
import { createEnrolledCloud, post, type TestCloud } from './support/cloud.ts';
import { ACCOUNT, type Asked, userArn } from './support/event.ts';
import { survey } from './support/samples.ts';

/** A host is who its signature says: what an operator's binding gives, and what it takes away. */
let cloud: TestCloud;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
});

const NAMESPACE = 'x-layermover-namespace';
const ROLE = `arn:aws:iam::${ACCOUNT}:role/hosts/h3`;
const session = (name: string) => `arn:aws:sts::${ACCOUNT}:assumed-role/h3/${name}`;
const enrolment = { version: '1', vms: ['db-1'], free_bytes: 1, layers: [] };
const at = (host: string) => ({ params: { site: 'c', host } });

async function status(name: RouteName, caller: string, asked: Asked, namespace?: string): Promise<string> {
  const headers = namespace === undefined ? {} : { [NAMESPACE]: namespace };
  const { statusCode, body } = await cloud.send(name, { ...asked, caller, headers });
  return statusCode === 200 ? 'ok' : (JSON.parse(body) as { code: string }).code;
}
const bind = (host: string, identity: string, caller = userArn('operator'), namespace?: string) =>
  status('bindHost', caller, { ...at(host), body: { identity } }, namespace);
const enrol = (host: string, caller: string, namespace?: string) =>
  status('enrolHost', caller, { ...at(host), body: enrolment }, namespace);

it('a role is one identity, as IAM writes it with any path and as any session signs', () => {
  const one = identityOf(session('i-0123456789'));
  expect(identityOf(ROLE)).toBe(one);
  expect(identityOf(`arn:aws:iam::${ACCOUNT}:role/h3`)).toBe(one);
  expect(identityOf(session('another'))).toBe(one);
  expect(identityOf(one)).toBe(one);
  const others = [`arn:aws:iam::${ACCOUNT}:role/h4`, `arn:aws:iam::999999999999:role/h3`, userArn('h3')];
  for (const other of others) expect(identityOf(other)).not.toBe(one);
});

describe('a bound host', () => {
  it('is nobody else’s, whoever comes first, and its role’s in every session', async () => {
    expect(await bind('h3', ROLE)).toBe('ok');
    expect(await enrol('h3', userArn('thief'))).toBe('HOST_TAKEN');
    expect(await enrol('h3', session('one'))).toBe('ok');
    expect(await enrol('h3', session('two'))).toBe('ok');
    expect((await cloud.hosts.find('default', 'c/h3'))?.vms).toEqual(['db-1']);
  });

  it('is taken back from who came first', async () => {
    expect(await enrol('h3', userArn('thief'))).toBe('ok');
    expect(await bind('h3', ROLE)).toBe('ok');
    expect((await cloud.hosts.find('default', 'c/h3'))?.vms).toEqual([]);
    const poll = { instance: '1'.repeat(16), free_bytes: 1, running: [], following: [], awaiting: [] };
    expect(await status('poll', userArn('thief'), { ...at('h3'), body: poll })).toBe('CALLER_REFUSED');
    expect(await enrol('h3', userArn('thief'))).toBe('HOST_TAKEN');
  });

  it('takes no VM until its agent has come', async () => {
    await bind('h3', ROLE);
    const body = { request_id: 'to-a-silent-host', vms: ['web-1'], to: 'c/h3' };
    expect(await status('createMigration', userArn('operator'), { body })).toBe('HOST_UNKNOWN');
    await enrol('h3', session('one'));
    expect(await status('createMigration', userArn('operator'), { body })).toBe('ok');
  });
});

describe('a bound identity', () => {
  beforeEach(async () => {
    expect(await bind('h3', ROLE)).toBe('ok');
    expect(await enrol('h3', session('one'))).toBe('ok');
  });

  it('enrols no other host, taken or free, here or elsewhere', async () => {
    expect(await enrol('h4', session('one'))).toBe('CALLER_REFUSED');
    expect(await status('enrolHost', session('one'), { params: { site: 'a', host: 'h1' }, body: enrolment })).toBe(
      'CALLER_REFUSED',
    );
    expect(await enrol('h3', session('one'), 'other')).toBe('CALLER_REFUSED');
    expect(await cloud.hosts.list('other')).toEqual([]);
    expect(await cloud.hosts.list('default')).toHaveLength(3);
  });

  it('begins no garbage collection, and an operator does', async () => {
    const body = { id: `g${'0'.repeat(20)}` };
    expect(await status('collectGarbage', session('one'), { body })).toBe('CALLER_REFUSED');
    expect(await cloud.collections.find('default')).toBeUndefined();
    expect(await status('collectGarbage', userArn('operator'), { body })).toBe('ok');
  });

  it('binds nobody, and is bound in no other namespace', async () => {
    expect(await bind('h4', userArn('friend'), session('one'))).toBe('CALLER_REFUSED');
    expect(await bind('h3', ROLE, userArn('operator'), 'other')).toBe('IDENTITY_BOUND');
    expect(await bind('h4', ROLE)).toBe('ok');
    expect(await enrol('h4', session('one'))).toBe('ok');
  });

  const bodies: Partial<Record<RouteName, unknown>> = {
    createMigration: { request_id: 'from-elsewhere', vms: ['web-1'], to: 'b/h2' },
    resumeMigration: { run: 1 },
    reclaim: { vm: 'web-1' },
    collectGarbage: { id: `g${'0'.repeat(20)}` },
    registerLayers: { request_id: 'from-elsewhere', host: 'a/h1', files: ['x'], kind: 'os' },
    withdrawLayer: {},
    matchLayers: { chunk_bytes: 65_536, sample: [{ chunk: 0, fingerprint: '0'.repeat(64) }] },
    rebuildIndex: { phase: 'packs', check: false },
    bindHost: { identity: userArn('friend') },
  };
  const open = Object.entries<Route>(routes).filter(([, { by }]) => by !== 'host') as [RouteName, Route][];
  it.each(open)('hears nothing of another namespace by %s', async (name) => {
    const params = { site: 'c', host: 'h3', migration: `m${'0'.repeat(20)}`, layer: '0'.repeat(64), collection: 'g0' };
    expect(await status(name, session('one'), { params, body: bodies[name] }, 'other')).toBe('CALLER_REFUSED');
    if (!['bindHost', 'collectGarbage', 'withdrawLayer'].includes(name))
      expect(await status(name, session('one'), { params, body: bodies[name] })).not.toBe('CALLER_REFUSED');
  });

  const calls = Object.entries<Route>(routes).filter(([, { by, path }]) => by === 'host' && path.includes('{task}'));
  it.each(calls as [RouteName, Route][])('has no part in another host’s task by %s', async (name) => {
    const { id } = await post(cloud, 'a/h1', survey('web-1'));
    const { body: schema } = routes[name] as Route;
    expect(schema).toBeDefined();
    const body = { attempt: 1, ...SAID[name] };
    expect(await status(name, session('one'), { params: { task: id }, body })).toBe('CALLER_REFUSED');
    expect(await cloud.tasks.find(id)).toMatchObject({ state: 'waiting', attempt: 1 });
  });
});

it('an operator does not bind itself, which would lock it out', async () => {
  expect(await bind('h3', userArn('operator'))).toBe('IDENTITY_BOUND');
  expect(await enrol('h3', userArn('operator'))).toBe('ok');
});

it('only a role or a user can be bound', async () => {
  for (const arn of ['h3', `arn:aws:iam::${ACCOUNT}:root`, `arn:aws:iam::${ACCOUNT}:role/*`, `arn:aws:s3:::bucket`])
    expect(await bind('h3', arn), arn).toBe('BODY_INVALID');
});

const layer = {
  kind: 'os',
  name: 'os.qcow2',
  parent: null,
  virtual_bytes: 1,
  data_bytes: 1,
  container: { format: 'raw', cluster_bytes: 0 },
};
const receipt = {
  vm: 'web-1',
  migration: `m${'1'.repeat(20)}`,
  side: 'destination',
  chunkBytes: 65_536,
  layers: [{ name: 'a', layerId: '0'.repeat(64), virtualBytes: 1, evidence: 'read' }],
  atMs: 1,
};
/** What each call says besides its attempt. */
const SAID: Partial<Record<RouteName, object>> = {
  reportTask: { outcome: { status: 'failed', error: { code: 'X', message: 'x' } } },
  announcePacks: { packs: [] },
  commitRound: { stream: 'ud:web-1', sequence: 0, segments: [] },
  recordLayer: { layer_id: '0'.repeat(64), layer, chunk_bytes: 65_536 },
  storeReceipt: { receipt },
  announcePresence: { has: ['0'.repeat(64)], lost: [] },
};
