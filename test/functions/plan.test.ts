import { beforeEach, describe, expect, it } from 'vitest';
import type { LayerSample, TaskResult } from '../../core/api/tasks.ts';
import { DIGEST_BYTES } from '../../core/fingerprint.ts';
import { MIGRATION } from './support/cloud.ts';
import { chain, id } from './support/samples.ts';
import { createStepped, RECORD, type Stepped } from './support/steps.ts';
import { createWorld, ended, M, migrate, view } from './support/world.ts';

/** Fingerprints from..to, all of which have index rows. */
function hooks(from: number, to: number): Buffer {
  const numbers = Array.from({ length: to - from }, (_, at) => from + at);
  return Buffer.concat(numbers.map((n) => Buffer.from(id(`chunk ${n}`), 'hex')));
}

function sampleOf(stream: string, fingerprints: Buffer, change: Partial<LayerSample> = {}): LayerSample {
  const count = fingerprints.length / DIGEST_BYTES;
  const compressed = { raw_bytes: 1 << 20, compressed_bytes: 1 << 18 };
  return {
    stream,
    hooks: fingerprints.toString('base64'),
    hooks_all: count,
    data_bytes: 1 << 25,
    ...compressed,
    ...change,
  };
}

describe('a plan from surveys', () => {
  let s: Stepped;
  beforeEach(async () => {
    s = await createStepped();
  });

  /** As `planned`, with what the source's agent found by looking into its layers. */
  type Survey = Extract<TaskResult, { kind: 'survey' }>;
  async function plannedWith(samples: LayerSample[], rates: Survey['rates'] = {}, writes: Survey['writes'] = []) {
    await s.step({ step: 'prepare' });
    await s.step({ step: 'dispatch', kind: 'survey', what: 'a/h1', token: 't' });
    const vms = RECORD.vmNames.map((name) => ({ name, layers: chain(name, name === 'web-1' ? 'lamp' : 'node') }));
    for (const { name, layers } of vms)
      await s.cloud.migrations.updateVm(MIGRATION, { name, run: 1 }, { surveyed: layers });
    const result = { kind: 'survey' as const, vms, samples, rates, writes };
    await s.cloud.tasks.close(`${MIGRATION}.survey.a.h1`, 1, { status: 'done', result });
    await s.step({ step: 'plan' });
  }
  const layersOf = async (vm: string) => (await s.vmOf(vm))!.layers!;

  it('looks up the hooks that the agents sampled, and says how sure it is', async () => {
    await s.cloud.index.add('default', hexes(hooks(0, 30)), id('pack'));
    await plannedWith([sampleOf(id('debian'), hooks(0, 40), { hooks_all: 4000 })]);
    const [os, we] = await layersOf('web-1');
    expect(os!.forecast!.duplicates).toEqual({ value: 0.75, seen: 40, all: 4000 });
    expect(os!.forecast!.compressed).toMatchObject({ value: 0.25 });
    expect(os!.forecast!.wire_bytes).toBeLessThan(0.25 * 0.25 * (1 << 25) + 100_000);
    expect(we!.forecast!.duplicates).toBeUndefined();
  });

  it('goes by the layer’s own speed at the level that was tried, and tells the level', async () => {
    const unknown = hooks(0, 40);
    const of = async (ms: number) => {
      s = await createStepped();
      const up = { value: 1e9, from: 'remembered' as const };
      await plannedWith([sampleOf(id('debian'), unknown, { level: 9, compress_ms: ms })], { up });
      return (await layersOf('web-1'))[0]!.forecast!;
    };
    const [fast, slow] = [await of(2), await of(200)];
    expect(slow.level).toBe(9);
    // 32 times the mebibyte that took so long.
    expect(slow.milliseconds - fast.milliseconds).toBeGreaterThan(32 * 190);
    expect(slow.wire_bytes).toBe(fast.wire_bytes);
  });

  it('has the agents try at what the migration may send', async () => {
    s = await createStepped({ maxRateBytesPerSecond: 123_456 });
    await plannedWith([]);
    expect((await s.cloud.tasks.find(`${MIGRATION}.survey.a.h1`))!.input).toMatchObject({
      max_rate_bytes_per_second: 123_456,
    });
  });

  it('counts chunks as known that an earlier layer of the gang brings', async () => {
    await plannedWith([sampleOf(id('lamp'), hooks(0, 40)), sampleOf(id('node'), hooks(20, 60))]);
    const [, node] = await layersOf('web-2');
    const [, lamp] = await layersOf('web-1');
    const shares = [node, lamp].map((layer) => layer!.forecast!.duplicates!.value).sort();
    expect(shares).toEqual([0, 0.5]);
  });

  it('counts none of them for a VM that is moved as if there were no others', async () => {
    await plannedWith([sampleOf(id('lamp'), hooks(0, 40)), sampleOf(id('node'), hooks(20, 60))]);
    const [os, lamp] = (await layersOf('web-1')).map((layer) => layer.forecast!.wire_bytes);
    const [, node] = (await layersOf('web-2')).map((layer) => layer.forecast!.wire_bytes);
    const { wire_bytes: together, each_alone: alone } = (await s.record())!.forecast!;
    // The operating system goes twice, and the half of an environment that the other one has.
    const saved = os! + Math.abs(lamp! - node!);
    expect(Math.abs(lamp! - node!)).toBeGreaterThan(0.3 * Math.max(lamp!, node!));
    expect(Math.abs(alone.wire_bytes - together - saved)).toBeLessThan(5);
  });

  it('deduplicates user data of which the index has nearly all, over a slow link', async () => {
    await s.cloud.index.add('default', hexes(hooks(0, 40)), id('pack'));
    const up = { value: 1e6, from: 'remembered' as const };
    await plannedWith([sampleOf('ud:web-1', hooks(0, 40)), sampleOf('ud:web-2', hooks(100, 140))], { up });
    expect((await layersOf('web-1'))[2]).toMatchObject({ treatment: 'dedup', stream: 'ud:web-1' });
    expect((await layersOf('web-2'))[2]).toMatchObject({ treatment: 'direct' });
  });

  it('forecasts the pauses of running VMs from what they write', async () => {
    s = await createStepped({ live: { cutover: 'ram', maxDowntimeMs: 300, onNoConvergence: 'abort' } });
    const writes = [
      { vm: 'web-1', bytes_per_second: 100_000 },
      { vm: 'web-2', bytes_per_second: 1e9 },
    ];
    await plannedWith([], {}, writes);
    const [one, two] = (await s.record())!.forecast!.pauses!.toSorted((a, b) => (a.vm < b.vm ? -1 : 1));
    expect(one!.pause_ms).toBeLessThanOrEqual(300);
    expect(two!.pause_ms).toBeUndefined();
    expect((await layersOf('web-1'))[2]).toMatchObject({ treatment: 'direct' });
  });

  it('keeps what it goes by, and names what is assumed', async () => {
    await s.cloud.call('enrolHost', 'h2', {
      params: { site: 'b', host: 'h2' },
      body: { version: '1', vms: [], free_bytes: 1, layers: [], rates: { down: { value: 5e7, from: 'remembered' } } },
    });
    await plannedWith([], { hash: { value: 8e8, from: 'measured' } });
    const [link] = (await s.record())!.forecast!.rates;
    expect(link).toMatchObject({
      source: 'a/h1',
      hash: { value: 8e8, from: 'measured' },
      up: { from: 'assumed' },
      down: { value: 5e7, from: 'remembered' },
    });
  });

  it('splits what two hosts have between them, and each sends its own', async () => {
    await s.cloud.vms.lease('default', 'web-1', 'c/h3', { migration: 'm0', untilMs: 0 }, 0);
    await s.planned();
    const sent = new Map<string, string[]>();
    for (const what of ['a/h1', 'c/h3']) {
      await s.step({ step: 'dispatch', kind: 'seed', what, token: what });
      const input = (await s.cloud.tasks.find(`${MIGRATION}.seed.${what.replace('/', '.')}`))!.input;
      sent.set(what, input.kind === 'seed' ? input.layers.map(({ stream }) => stream) : []);
    }
    expect([...sent.values()].flat().sort()).toEqual([id('debian'), id('lamp')].sort());
    expect([...sent.values()].map((each) => each.length)).toEqual([1, 1]);
    await s.step({ step: 'dispatch', kind: 'fetch', what: 'b/h2', token: 'f' });
    expect((await s.cloud.tasks.find(`${MIGRATION}.fetch.b.h2`))!.input).toMatchObject({
      layers: [{ stream: id('debian') }, { stream: id('lamp') }],
    });
  });
});

function hexes(digests: Buffer): string[] {
  return Array.from({ length: digests.length / DIGEST_BYTES }, (_, at) =>
    digests.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES).toString('hex'),
  );
}

describe('a migration that is to be planned alone', () => {
  it('ends as planned, with a forecast; nothing is leased, stored or moved', async () => {
    const world = await createWorld();
    await migrate(world, ['web-1', 'web-2'], { plan_only: true });
    const found = await ended(world);
    expect(found).toMatchObject({
      state: 'planned',
      plan_only: true,
      vms: [{ state: 'waiting' }, { state: 'waiting' }],
    });
    expect(found.forecast!.milliseconds).toBeGreaterThan(0);
    expect(found.vms[0]!.layers.map(({ treatment }) => treatment)).toEqual(['dedup', 'dedup', 'direct']);
    expect(await world.cloud.execution(M)).toMatchObject({ status: 'SUCCEEDED' });
    expect(world.source.seen).toEqual(['survey 1']);
    expect(world.destination.seen).toEqual([]);
    for (const vm of ['web-1', 'web-2']) expect(await world.cloud.vms.find('default', vm)).toBeUndefined();
    expect(await world.cloud.objects.list('', 10)).toEqual([]);
    expect(await world.cloud.layers.list('default', 10)).toEqual([]);
    expect(world.cloud.events.emitted.map(({ state }) => state)).toEqual(['requested', 'preparing', 'planned']);
  });

  it('is the same again by its request id, and no other request', async () => {
    const world = await createWorld();
    await migrate(world, ['web-1'], { plan_only: true });
    await ended(world);
    await migrate(world, ['web-1'], { plan_only: true });
    expect((await view(world)).state).toBe('planned');
    const body = { request_id: 'request-1', vms: ['web-1'], to: 'b/h2' as const };
    expect((await world.cloud.refused('createMigration', 'user', { body })).code).toBe('REQUEST_ID_REUSED');
    for (const call of ['abortMigration', 'resumeMigration'] as const) {
      const asked = { params: { migration: M }, ...(call === 'resumeMigration' ? { body: { run: 1 } } : {}) };
      expect((await world.cloud.refused(call, 'user', asked)).code).toBe('MIGRATION_ENDED');
    }
  });

  it('does not disturb one that moves the same VM, nor is kept by it', async () => {
    const world = await createWorld({ source: { before: ({ input }) => input.kind === 'cutover' } });
    await migrate(world, ['web-1']);
    for (let second = 0; second < 20; second++) await world.cloud.time.advance(1000);
    const lease = (await world.cloud.vms.find('default', 'web-1'))!.lease;
    expect(lease).toBeDefined();
    const body = { request_id: 'request-2', vms: ['web-1'], to: 'b/h2' as const, plan_only: true };
    const { id: plan } = await world.cloud.call('createMigration', 'user', { body });
    for (let second = 0; second < 20; second++) await world.cloud.time.advance(1000);
    const planned = await world.cloud.call('getMigration', 'user', { params: { migration: plan } });
    expect(planned.state).toBe('planned');
    expect((await world.cloud.vms.find('default', 'web-1'))!.lease).toEqual(lease);
  });

  it('that can’t be planned fails, and leaves nothing either', async () => {
    const world = await createWorld();
    await migrate(world, ['web-9'], { plan_only: true });
    expect(await ended(world)).toMatchObject({ state: 'failed', error: { code: 'VM_UNKNOWN' } });
    expect(await world.cloud.vms.find('default', 'web-9')).toBeUndefined();
  });
});
