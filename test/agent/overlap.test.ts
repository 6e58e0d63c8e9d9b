import { readdirSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate } from './play.ts';
import { filesIn, type LayerSpec, writeChain, writeLayer } from './support.ts';

/** VMs move while the destination still fetches base layers. */
const hosts = twoHosts();
const KiB = 1024;
const MiB = 1024 * KiB;

const layer = (name: string, at: number, length: number, seed: number): LayerSpec => {
  return { name: `${name}.qcow2`, patches: [{ at, length, seed }] };
};
const top = (vm: string, seed: number) => layer(vm, 2 * MiB, 256 * KiB, seed);

/** `web-1` lies on an operating system, `web-2` on that and an environment, which is fetched last. */
beforeEach(async () => {
  const os = layer('os', 0, MiB, 1);
  await writeChain(hosts.at('a'), [os, top('web-1', 2)]);
  const we = await writeLayer(hosts.at('a'), layer('we', MiB, 768 * KiB, 3), hosts.at('a', 'os.qcow2'));
  await writeLayer(hosts.at('a'), top('web-2', 4), we);
  lost.length = 0;
});

const start = (vms = ['web-1', 'web-2']) => migrate(hosts.cloud(), { vms, to: 'b/h1', policy: 'kind' });
const ownerOf = async (vm: string) => (await hosts.cloud().ports.vms.find('default', vm))?.owner;
const arrivals = () => readdirSync(hosts.at('b', '.layermover', 'arrivals'));
const patiently = { timeout: 10_000 };

/** Base layers that were told to be lost. */
const lost: string[] = [];
/** VMs whose own layers were pushed to their end. */
let pushed: Set<string>;

/**
 * What the destination reads of the environment is kept from it until a test lets it go, or fails it. Notes on the way what agents
 * tell the cloud.
 */
function holdBack(held = 'we.qcow2') {
  const { cloud } = hosts;
  const { objects, tasks } = cloud().ports;
  const segments = new Set<string>();
  const go = Promise.withResolvers<void>();
  go.promise.catch(() => undefined);
  const asked = Promise.withResolvers<void>();
  pushed = new Set();
  cloud().hooks.before = async ({ path, body }) => {
    const [, task, vm] = /tasks\/(m\w+\.(?:seed|cutover)\.([^/]+))\/rounds$/.exec(path) ?? [];
    if (path.endsWith('/presence')) lost.push(...JSON.parse(body).lost);
    if (task === undefined) return;
    const round = JSON.parse(body) as { stream: string; segments: { id: string }[]; layer_id?: string };
    const input = (await tasks.find(task))?.input;
    const name = input?.kind === 'seed' && input.layers.find(({ stream }) => stream === round.stream)?.layer.name;
    if (name === held) for (const { id } of round.segments) segments.add(id);
    if (input?.kind === 'cutover' && round.layer_id !== undefined) pushed.add(vm!);
  };
  const get = objects.get.bind(objects);
  objects.get = async (key, part) => {
    if (segments.has(key.slice(-64))) {
      asked.resolve();
      await go.promise;
    }
    return get(key, part);
  };
  const fail = (error: Error) => {
    segments.clear();
    go.reject(error);
  };
  return { asked: asked.promise, go: () => go.resolve(), fail };
}

const SHORT = new LayerMoverError('OBJECT_MISSING', 'somebody took it out of the store');

describe('while the destination fetches base layers', () => {
  it('VMs’ own layers are pushed, and each VM waits for its own bases alone', async () => {
    await hosts.start('a');
    await hosts.start('b');
    const fetch = holdBack();
    const { ended } = await start();
    await fetch.asked;
    await expect.poll(() => [...pushed].sort(), patiently).toEqual(['web-1', 'web-2']);
    await expect.poll(() => ownerOf('web-1'), patiently).toBe('b/h1');
    await expectEqual(hosts.at('a', 'web-1.qcow2'), hosts.at('b', 'web-1.qcow2'));
    expect(await ownerOf('web-2')).toBe('a/h1');
    fetch.go();
    expect(await ended).toMatchObject({ state: 'committed', vms: [{ equal: true }, { equal: true }] });
    await expectEqual(hosts.at('a', 'web-2.qcow2'), hosts.at('b', 'web-2.qcow2'));
    expect(lost).toEqual([]);
  });

  it('as many VMs wait as may move at once, and then all arrive', async () => {
    const vms = Array.from({ length: limits.gang_moves_max }, (_, at) => `db-${at}`);
    for (const [at, vm] of vms.entries())
      await writeLayer(hosts.at('a'), top(vm, 10 + at), hosts.at('a', 'os.qcow2'), {});
    await hosts.start('a');
    await hosts.start('b');
    const fetch = holdBack('os.qcow2');
    const { ended } = await start(vms);
    await fetch.asked;
    await expect.poll(() => [...pushed].sort(), patiently).toEqual(vms);
    fetch.go();
    expect(await ended).toMatchObject({ state: 'committed', vms: vms.map((name) => ({ name, equal: true })) });
    for (const vm of vms) await expectEqual(hosts.at('a', `${vm}.qcow2`), hosts.at('b', `${vm}.qcow2`));
  });

  it('VMs that wait for their source keep no fetch waiting', async () => {
    const vms = Array.from({ length: limits.pulls_at_once }, (_, at) => `db-${at}`);
    for (const [at, vm] of vms.entries()) await writeLayer(hosts.at('a'), top(vm, 10 + at), hosts.at('a', 'os.qcow2'));
    const app = await writeLayer(hosts.at('a'), layer('app', 3 * MiB, 64 * KiB, 5), hosts.at('a', 'we.qcow2'));
    await writeLayer(hosts.at('a'), top('web-3', 6), app);
    await hosts.start('a');
    await hosts.start('b');
    const fetch = holdBack();
    const { hooks } = hosts.cloud();
    const { before } = hooks;
    const tops = Promise.withResolvers<void>();
    const following = new Set<string>();
    hooks.before = async (call) => {
      if (call.path.endsWith('/poll'))
        for (const { stream } of JSON.parse(call.body).following as { stream: string }[]) following.add(stream);
      if (/cutover.*\/rounds$/.test(call.path)) await tops.promise;
      return before?.(call);
    };
    const { ended } = await start([...vms, 'web-3']);
    await fetch.asked;
    await expect.poll(() => vms.every((vm) => following.has(`ud:${vm}`)), patiently).toBe(true);
    fetch.go();
    await expect.poll(() => filesIn(hosts.at('b')), patiently).toContain('app.qcow2');
    tops.resolve();
    expect(await ended).toMatchObject({ state: 'committed' });
    await expectEqual(hosts.at('a', 'web-3.qcow2'), hosts.at('b', 'web-3.qcow2'));
  });

  it('an agent that begins anew goes on with both, and takes nothing for lost', async () => {
    await hosts.start('a');
    const first = await hosts.start('b');
    const fetch = holdBack();
    const { ended } = await start(['web-2']);
    await fetch.asked;
    await expect.poll(() => [...pushed], patiently).toEqual(['web-2']);
    await first.stop();
    await hosts.start('b');
    fetch.go();
    expect(await ended).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    await expectEqual(hosts.at('a', 'web-2.qcow2'), hosts.at('b', 'web-2.qcow2'));
    expect(lost).toEqual([]);
  });
});

describe('base layers', () => {
  it('are packed while what is left of the one before is committed', async () => {
    const { hooks } = hosts.cloud();
    const second = Promise.withResolvers<void>();
    const told: string[] = [];
    hooks.before = async ({ path, body }) => {
      if (!/\.seed\.[^/]+\/rounds$/.test(path)) return;
      const { stream, sequence, layer_id: layerId } = JSON.parse(body);
      if (layerId !== undefined && told.length === 0) {
        told.push(stream);
        await second.promise;
      } else if (sequence === 0 && !told.includes(stream)) second.resolve();
    };
    await hosts.start('a');
    await hosts.start('b');
    expect(await (await start(['web-2'])).ended).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    expect(told).toHaveLength(1);
  });
});

describe('a fetch that does not come to its end', () => {
  /** Both VMs are on their way: the first one is the destination's, the second one waits for its base. */
  async function underWay() {
    await hosts.start('a');
    await hosts.start('b');
    const before = filesIn(hosts.at('a'));
    const fetch = holdBack();
    const { id, ended } = await start();
    await fetch.asked;
    await expect.poll(() => [...pushed].sort(), patiently).toEqual(['web-1', 'web-2']);
    await expect.poll(() => ownerOf('web-1'), patiently).toBe('b/h1');
    return { id, ended, fetch, before };
  }

  async function expectHalf(before: readonly string[]): Promise<void> {
    expect(await ownerOf('web-2')).toBe('a/h1');
    await expect.poll(arrivals, patiently).toEqual([]);
    await expect.poll(() => filesIn(hosts.at('b')), patiently).toEqual(['os.qcow2', 'web-1.qcow2']);
    expect(filesIn(hosts.at('a'))).toEqual(before);
    await expectEqual(hosts.at('a', 'web-1.qcow2'), hosts.at('b', 'web-1.qcow2'));
    expect(lost).toEqual([]);
    expect(await (await start(['web-2'])).ended).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    await expectEqual(hosts.at('a', 'web-2.qcow2'), hosts.at('b', 'web-2.qcow2'));
  }

  it('gives back the VMs that wait; one that was committed stays, and what it lies on', async () => {
    const { ended, fetch, before } = await underWay();
    fetch.fail(SHORT);
    const error = { code: 'OBJECT_MISSING' };
    expect(await ended).toMatchObject({
      state: 'failed',
      error,
      vms: [{ state: 'committed' }, { state: 'rolled-back', error }],
    });
    await expectHalf(before);
  });

  it('as the migration is aborted: the same', async () => {
    const { id, ended, fetch, before } = await underWay();
    await hosts.cloud().api.call('abortMigration', { params: { migration: id } });
    expect(await ended).toMatchObject({ state: 'aborted', vms: [{ state: 'committed' }, { state: 'rolled-back' }] });
    fetch.go();
    await expectHalf(before);
  });
});
