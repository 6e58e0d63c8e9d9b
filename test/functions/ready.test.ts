import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { createEnrolledCloud, post, type TestCloud } from './support/cloud.ts';
import { fetched, follow } from './support/samples.ts';

/** A destination's agent is given what it can begin. */
let cloud: TestCloud;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
});

async function poll(running: readonly string[] = [], instance = '1'.repeat(16)): Promise<string[]> {
  const said = { running: running.map((task) => ({ task, attempt: 1, progress: [] })), following: [], awaiting: [] };
  const body = { instance, free_bytes: 1e12, ...said };
  const { tasks } = await cloud.call('poll', 'h2', { params: { site: 'b', host: 'h2' }, body });
  return tasks.map(({ id }) => id);
}

const posted = async (...[input, what, token]: [ReturnType<typeof follow | typeof fetched>, string?, string?]) =>
  (await post(cloud, 'b/h2', input, { what: what ?? 'web-1', ...(token === undefined ? {} : { token }) })).id;

const fetchPosted = (run = 1) => posted({ ...fetched(), run }, 'b.h2', `fetch-${run}`);

async function done(task: string): Promise<void> {
  const outcome = { status: 'done' as const, result: { kind: 'fetch' as const, streams: [] } };
  await cloud.call('reportTask', 'h2', { params: { task }, body: { attempt: 1, outcome } });
}

describe('a VM whose base layers are to come', () => {
  it('is followed once the agent fetches them', async () => {
    const vm = await posted(follow('web-1', 'dedup'));
    const fetch = await fetchPosted();
    expect(await poll()).toEqual([fetch]);
    expect(await poll()).toEqual([fetch]);
    expect(await poll([fetch])).toEqual([vm]);
  });

  it('is followed when they have been fetched', async () => {
    const vm = await posted(follow('web-1', 'direct'));
    const fetch = await fetchPosted();
    await poll();
    await done(fetch);
    expect(await poll()).toEqual([vm]);
  });

  it('waits for a fetch that is not posted yet, or was of an earlier run alone', async () => {
    const vm = await posted({ ...follow('web-1', 'dedup'), run: 2 }, 'web-1', 'second');
    expect(await poll()).toEqual([]);
    const fetch = await fetchPosted(1);
    await poll();
    await done(fetch);
    expect(await poll()).toEqual([]);
    await fetchPosted(2);
    expect(await poll()).toEqual([fetch]);
    expect(await poll([fetch])).toEqual([vm]);
  });

  it('waits for a fetch that failed, or was cancelled, to be asked for anew', async () => {
    await posted(follow('web-1', 'dedup'));
    const fetch = await fetchPosted();
    await poll();
    await cloud.tasks.cancel(fetch);
    expect(await poll()).toEqual([]);
  });

  it('is followed after the fetch when the agent begins anew', async () => {
    const vm = await posted(follow('web-1', 'dedup'));
    const fetch = await fetchPosted();
    await poll();
    await poll([fetch]);
    const again = '2'.repeat(16);
    expect(await poll([], again)).toEqual([fetch]);
    expect(await poll([fetch], again)).toEqual([vm]);
  });

  it('never takes the fetch’s place, however many of them wait', async () => {
    const vms = Array.from({ length: limits.tasks_per_host_max + 1 }, (_, at) => `web-${at}`);
    for (const vm of vms) await posted(follow(vm, 'dedup'), vm, `of-${vm}`);
    const fetch = await fetchPosted();
    expect(await poll()).toEqual([fetch]);
    expect(await poll([fetch])).toHaveLength(limits.tasks_per_host_max - 1);
    expect(cloud.workflow.beats.size).toBe(vms.length + 1);
  });
});

it('a VM whose base layers are all there is followed at once', async () => {
  const vm = await posted(follow('web-1'));
  expect(await poll()).toEqual([vm]);
});
