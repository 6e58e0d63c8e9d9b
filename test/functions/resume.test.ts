import { describe, expect, it } from 'vitest';
import { LayerMoverError } from '../../core/errors.ts';
import { migrationScope } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import { migrationIdOf } from '../../functions/migrations/create.ts';
import { type AgentOptions, ScriptedAgent } from './support/agent.ts';
import { createEnrolledCloud } from './support/cloud.ts';
import { createRunningCloud, type RunningCloud } from './support/running-workflow.ts';

const M = migrationIdOf('default', 'request-1');
const params = { migration: M };
const body = { request_id: 'request-1', vms: ['web-1', 'web-2'], to: 'b/h2' as const };
const LEFT = `${migrationScope('default', M)}/packs/aa/x`;

/** Two agents, of which the source’s fails web-2 as long as it is told to. */
async function createWorld() {
  const cloud = createRunningCloud();
  const world = { cloud, failing: true, source: undefined as unknown as ScriptedAgent };
  const before: AgentOptions['before'] = ({ input }) => {
    if (world.failing && input.kind === 'cutover' && input.chain.vm === 'web-2')
      throw new LayerMoverError('LAYER_CHANGED', 'it was written to');
    return false;
  };
  world.source = new ScriptedAgent(cloud, 'h1', { before });
  await world.source.start(['web-1', 'web-2']);
  await new ScriptedAgent(cloud, 'h2').start([]);
  return world;
}

const view = (cloud: RunningCloud) => cloud.call('getMigration', 'user', { params });
const resume = (cloud: RunningCloud, run: number) => cloud.call('resumeMigration', 'user', { params, body: { run } });

async function endOf(cloud: RunningCloud, execution: string) {
  for (let second = 0; second < 600; second++) {
    await cloud.time.advance(1000);
    if ((await cloud.execution(execution)).status !== 'RUNNING') return view(cloud);
  }
  return expect.unreachable();
}

async function failed() {
  const world = await createWorld();
  await world.cloud.call('createMigration', 'user', { body });
  await world.cloud.objects.put(LEFT, [Buffer.of(1)]);
  expect(await endOf(world.cloud, M)).toMatchObject({ state: 'failed', run: 1 });
  return world;
}

describe('a migration that failed', () => {
  it('keeps what was sent, and goes on as the same: what was committed stays so, the rest begins anew', async () => {
    const world = await failed();
    const { cloud, source } = world;
    expect(await cloud.objects.list(LEFT, 1)).toHaveLength(1);
    const before = await view(cloud);
    world.failing = false;
    source.seen.length = 0;
    expect(await resume(cloud, 1)).toMatchObject({ id: M, state: 'requested', run: 2 });
    const ended = await endOf(cloud, `${M}-2`);
    expect(ended).toMatchObject({ state: 'committed', run: 2, vms: [{ state: 'committed' }, { state: 'committed' }] });
    expect(ended.error).toBeUndefined();
    expect(ended.vms[0], 'the first VM is left alone').toEqual(before.vms[0]);
    expect(source.seen, 'of one VM alone, each a later attempt').toEqual(['survey 2', 'cutover 2']);
    for (const vm of ['web-1', 'web-2']) expect((await cloud.vms.find('default', vm))?.owner).toBe('b/h2');
    expect((await cloud.tasks.find(`${M}.survey.a.h1`))?.input).toMatchObject({ run: 2, vms: [{ name: 'web-2' }] });
    expect(await cloud.objects.list(LEFT, 1)).toEqual([]);
    const states = cloud.events.emitted.map((event) => event.state);
    expect(states.slice(states.indexOf('failed') + 1)[0]).toBe('requested');
    expect(states.at(-1)).toBe('committed');
    expect(states.slice(states.indexOf('failed')), 'though its first VM moves no more').toContain('moving');
  });

  it('is resumed once, however often the request comes', async () => {
    const { cloud } = await failed();
    for (let at = 0; at < 3; at++) expect(await resume(cloud, 1)).toMatchObject({ run: 2 });
    expect(await endOf(cloud, `${M}-2`)).toMatchObject({ state: 'failed', run: 2 });
    expect(await resume(cloud, 1), 'late').toMatchObject({ state: 'failed', run: 2 });
    expect(await resume(cloud, 2)).toMatchObject({ state: 'requested', run: 3 });
  });

  it('starts when asked again, if a crash came between the wish and the start', async () => {
    const { cloud } = await failed();
    const { start } = cloud.workflow;
    cloud.workflow.start = async () => {
      throw new Error('crash');
    };
    const crashed = await cloud.refused('resumeMigration', 'user', { params, body: { run: 1 } });
    expect(crashed.code).toBe('INTERNAL');
    cloud.workflow.start = start;
    expect(await resume(cloud, 1)).toMatchObject({ state: 'requested', run: 2 });
    expect(await endOf(cloud, `${M}-2`)).toMatchObject({ run: 2 });
  });

  it('aborted, is aborted at once, and nothing is left over', async () => {
    const { cloud, source } = await failed();
    source.seen.length = 0;
    for (let at = 0; at < 2; at++)
      expect(await cloud.call('abortMigration', 'user', { params })).toMatchObject({ abort_requested: true });
    expect(await endOf(cloud, `${M}-2`)).toMatchObject({
      state: 'aborted',
      vms: [{ state: 'committed' }, { state: 'rolled-back', error: { code: 'LAYER_CHANGED' } }],
    });
    expect(source.seen).toEqual([]);
    expect(await cloud.objects.list(LEFT, 1)).toEqual([]);
    const refused = await cloud.refused('resumeMigration', 'user', { params, body: { run: 2 } });
    expect(refused).toMatchObject({ code: 'MIGRATION_ENDED' });
    expect((await cloud.call('abortMigration', 'user', { params })).state).toBe('aborted');
  });
});

describe('a resume', () => {
  const create = async () => {
    const cloud = await createEnrolledCloud();
    await cloud.call('createMigration', 'user', { body });
    return cloud;
  };
  const end = (cloud: Awaited<ReturnType<typeof create>>, change: object) =>
    cloud.migrations.update({ id: M, run: 1 }, ['requested'], change);
  const ask = (cloud: Awaited<ReturnType<typeof create>>, run = 1) =>
    cloud.call('resumeMigration', 'user', { params, body: { run } });

  it('of what runs, or is committed, changes nothing', async () => {
    const running = await create();
    await end(running, { state: 'moving' });
    expect(await ask(running)).toMatchObject({ state: 'moving', run: 1 });
    const committed = await create();
    await end(committed, { state: 'committed' });
    expect(await ask(committed)).toMatchObject({ state: 'committed', run: 1 });
    expect(committed.workflow.executions.size).toBe(1);
  });

  it('ends sometime: there are so many runs, and so much time', async () => {
    const often = await create();
    await end(often, { state: 'failed', run: limits.runs_max });
    const run = limits.runs_max;
    expect((await often.refused('resumeMigration', 'user', { params, body: { run } })).code).toBe('RESUME_REFUSED');
    expect(await often.call('abortMigration', 'user', { params }), 'but it can be aborted').toMatchObject({
      abort_requested: true,
    });
    const late = await create();
    await end(late, { state: 'failed' });
    await late.clock.advance(limits.resume_seconds_max * 1000 + 1);
    expect((await late.refused('resumeMigration', 'user', { params, body: { run: 1 } })).code).toBe('RESUME_REFUSED');
  });

  it('clears a wish to abort that came too late to be heard', async () => {
    const cloud = await create();
    await end(cloud, { state: 'failed', abortRequested: true, error: { code: 'X', message: 'x' }, endedMs: 5 });
    const view = await ask(cloud);
    expect(view).toMatchObject({ state: 'requested', run: 2, abort_requested: false });
    expect([view.error, view.ended_ms]).toEqual([undefined, undefined]);
  });
});
