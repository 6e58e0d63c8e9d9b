import { beforeEach, describe, expect, it } from 'vitest';
import { HOST_EVACUATE, MIGRATION_REQUESTED } from '../../core/api/events.ts';
import { limits } from '../../core/limits.ts';
import { migrationIdOf } from '../../functions/migrations/create.ts';
import { createHandler } from '../../functions/requests/handler.ts';
import { createEnrolledCloud, type TestCloud } from './support/cloud.ts';

let cloud: TestCloud;
let handle: ReturnType<typeof createHandler>;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
  handle = createHandler(cloud);
});

const ID = '0f5e5a4e-6f5c-4d3a-9f0d-0a1b2c3d4e5f';
const event = (type: string, detail: unknown, id = ID) => ({ id, 'detail-type': type, source: 'ops', detail });
const requested = (detail: object) => event(MIGRATION_REQUESTED, { vms: ['web-1'], to: 'b/h2', ...detail });
const started = () => [...cloud.workflow.executions.keys()];

describe('a migration asked for by an event', () => {
  it('is the one that its request id names', async () => {
    const { migrations } = await handle(requested({ request_id: 'request-1', policy: 'direct' }));
    expect(migrations).toEqual([migrationIdOf('default', 'request-1')]);
    expect(started()).toEqual(migrations);
    expect(await cloud.migrations.find(migrations[0]!)).toMatchObject({ policy: 'direct', vmNames: ['web-1'] });
  });

  it('may be live, and held to a rate', async () => {
    const live = { cutover: 'stop', max_downtime_ms: 100, on_no_convergence: 'cutover' };
    const { migrations } = await handle(requested({ mode: 'live', live, max_rate_bytes_per_second: 1e8 }));
    expect(await cloud.migrations.find(migrations[0]!)).toMatchObject({
      live: { cutover: 'stop', maxDowntimeMs: 100, onNoConvergence: 'cutover' },
      maxRateBytesPerSecond: 1e8,
    });
    await expect(handle(requested({ request_id: 'request-9', live }))).rejects.toMatchObject({ code: 'BODY_INVALID' });
  });

  it('is the event’s own without a request id; the event again moves nothing twice', async () => {
    const first = await handle(requested({}));
    expect(await handle(requested({}))).toEqual(first);
    expect(started()).toEqual([migrationIdOf('default', `event:${ID}`)]);
  });

  it('belongs to the namespace that it names', async () => {
    await expect(handle(requested({ namespace: 'team-b' }))).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
  });

  it.each([
    ['no event', 'text'],
    ['an event without a type', { id: ID, detail: {} }],
    ['an id that is none', event(MIGRATION_REQUESTED, {}, 'a b')],
    ['a type that asks for nothing', event('layermover.coffee.requested', {})],
    ['no VMs', requested({ vms: [] })],
    ['a VM twice', requested({ vms: ['web-1', 'web-1'] })],
    ['a host that is none', requested({ to: 'nowhere' })],
    ['no detail', event(MIGRATION_REQUESTED, null)],
  ])('is refused if it is %s, and nothing is changed', async (_, malformed) => {
    await expect(handle(malformed)).rejects.toMatchObject({ code: 'BODY_INVALID' });
    expect(started()).toEqual([]);
  });
});

describe('an evacuation', () => {
  const evacuation = (detail: object = {}) => event(HOST_EVACUATE, { from: 'a/h1', to: 'b/h2', ...detail });
  const gang = (id: string) => migrationIdOf('default', `event:${ID}.${id}`);

  it('moves all VMs of a host as gangs', async () => {
    const vms = Array.from({ length: limits.gang_vms_max + 1 }, (_, at) => `vm-${String(at).padStart(2, '0')}`);
    const body = { version: '1', vms, free_bytes: 0, layers: [] };
    await cloud.call('enrolHost', 'h1', { params: { site: 'a', host: 'h1' }, body });
    const { migrations } = await handle(evacuation());
    expect(migrations).toEqual([gang('0'), gang('1')]);
    const records = await Promise.all(migrations.map((id) => cloud.migrations.find(id)));
    expect(records.map((record) => record?.vmNames)).toEqual([vms.slice(0, -1), vms.slice(-1)]);
    expect(records[0]).toMatchObject({ from: 'a/h1', to: 'b/h2', state: 'requested' });
  });

  it('may be live', async () => {
    const { migrations } = await handle(evacuation({ mode: 'live' }));
    expect(await cloud.migrations.find(migrations[0]!)).toMatchObject({ live: { cutover: 'ram' } });
  });

  it('again answers what it asked for before, though the VMs are on their way by now', async () => {
    const first = await handle(evacuation());
    const lease = { migration: first.migrations[0]!, untilMs: cloud.clock.nowMs() + 1000 };
    await cloud.vms.lease('default', 'web-1', 'a/h1', lease, cloud.clock.nowMs());
    expect(await handle(evacuation())).toEqual(first);
    expect(started()).toEqual(first.migrations);
  });

  it('asks for what a crash left out', async () => {
    await handle(event(MIGRATION_REQUESTED, { request_id: `event:${ID}.0`, vms: ['web-1'], to: 'b/h2' }, 'x'));
    const { migrations } = await handle(evacuation());
    expect(migrations).toEqual([gang('0'), gang('1')]);
    expect(await cloud.migrations.find(gang('1'))).toMatchObject({ vmNames: ['web-2'] });
  });

  it('leaves alone what is another host’s, and what somebody else is moving', async () => {
    const nowMs = cloud.clock.nowMs();
    const other = { migration: `m${'9'.repeat(20)}`, untilMs: nowMs + 1000 };
    await cloud.vms.lease('default', 'web-1', 'b/h2', other, nowMs);
    await cloud.vms.lease('default', 'web-2', 'a/h1', other, nowMs);
    expect(await handle(evacuation())).toEqual({ migrations: [] });
    await cloud.clock.advance(1001);
    expect((await handle(evacuation())).migrations).toHaveLength(1);
  });

  it('of a host that nobody knows is refused', async () => {
    await expect(handle(evacuation({ from: 'a/h9' }))).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
  });
});

describe('an object in the bucket', () => {
  const key = 'requests/nightly.json';
  const created = (object: object = {}) => {
    return event('Object Created', { bucket: { name: 'b' }, object: { key, size: 99, etag: 'e1', ...object } });
  };
  const put = (content: unknown, at = key) => cloud.objects.put(at, [Buffer.from(JSON.stringify(content))]);

  it('asks for a migration; told of twice, it asks once', async () => {
    await put({ type: MIGRATION_REQUESTED, vms: ['web-1'], to: 'b/h2' });
    const first = await handle(created());
    expect(await handle({ ...created(), id: 'another' })).toEqual(first);
    expect(started()).toEqual(first.migrations);
  });

  it('asks for an evacuation', async () => {
    await put({ type: HOST_EVACUATE, from: 'a/h1', to: 'b/h2' });
    expect((await handle(created())).migrations).toHaveLength(1);
  });

  it.each([
    ['is too large', { size: limits.request_object_bytes_max + 1 }],
    ['lies elsewhere', { key: 'ns/default/layers/x.json' }],
    ['has an odd name', { key: 'requests/a%2Fb c.json' }],
  ])('is not read if it %s', async (_, object) => {
    await expect(handle(created(object))).rejects.toMatchObject({ code: 'BODY_INVALID' });
  });

  it('is refused if it is not JSON, or asks for nothing', async () => {
    await cloud.objects.put(key, [Buffer.from('{')]);
    await expect(handle(created())).rejects.toMatchObject({ code: 'BODY_INVALID' });
    await put({ type: 'else' }, 'requests/else.json');
    await expect(handle(created({ key: 'requests/else.json' }))).rejects.toMatchObject({ code: 'BODY_INVALID' });
    expect(started()).toEqual([]);
  });
});
