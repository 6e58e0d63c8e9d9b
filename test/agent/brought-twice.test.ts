import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import type { Files } from '../../core/files.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate } from './play.ts';
import { filesIn, type LayerSpec, writeChain } from './support.ts';

/** Two migrations, from hosts a and c, bring the same base layer to host b at once: each into a file of its own. */
const hosts = twoHosts();
const MiB = 1024 * 1024;
const OS: LayerSpec = { name: 'os.qcow2', patches: [{ at: 0, length: MiB, seed: 1 }] };
const top = (name: string, seed: number): LayerSpec => ({ name, patches: [{ at: 2 * MiB, length: MiB / 2, seed }] });
const patiently = { timeout: 10_000 };

beforeEach(async () => {
  await writeChain(hosts.at('a'), [OS, top('web-1.qcow2', 2)]);
  await writeChain(hosts.at('c'), [OS, top('db-1.qcow2', 3)]);
});

/** An agent that is stopped waits for its files. */
let letGo = () => {};
afterEach(() => letGo());

/** By name, what lets a file go on, or fail. */
type Held = Map<string, (failure?: Error) => void>;

/** A destination that reads no base layer back, and gives none its name, before it may. */
function holding() {
  const reading: Held = new Map();
  const naming: Held = new Map();
  letGo = () => {
    for (const go of [...reading.values(), ...naming.values()]) go();
  };
  const hold = async (held: Held, path: string) => {
    const name = basename(path, '.partial');
    if (!path.endsWith('.partial') || !name.startsWith('os') || held.has(name)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    held.set(name, (failure) => (failure === undefined ? resolve() : reject(failure)));
    await promise;
  };
  const files: Files = {
    ...systemFiles,
    async open(path, how) {
      if (how === 'read') await hold(reading, path);
      return systemFiles.open(path, how);
    },
    async rename(from, to) {
      await hold(naming, from);
      return systemFiles.rename(from, to);
    },
  };
  return { files, reading, naming };
}

const manifests = () => readdirSync(hosts.at('b', '.layermover', 'manifests'));
const arrivals = () => readdirSync(hosts.at('b', '.layermover', 'arrivals'));
const abort = (migration: string) => hosts.cloud().api.call('abortMigration', { params: { migration } });

async function both(files: Files) {
  for (const site of ['a', 'c'] as const) await hosts.start(site);
  await hosts.start('b', undefined, undefined, files);
  return [
    await migrate(hosts.cloud(), { vms: ['web-1'], to: 'b/h1' }),
    await migrate(hosts.cloud(), { vms: ['db-1'], to: 'b/h1' }),
  ] as const;
}

describe('a base layer that two migrations bring at once', () => {
  it('is there for both', async () => {
    const { files, reading, naming } = holding();
    const two = await both(files);
    await expect.poll(() => reading.size, patiently).toBe(2);
    letGo();
    await expect.poll(() => naming.size, patiently).toBe(2);
    letGo();
    for (const { ended } of two) expect(await ended).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    await expectEqual(hosts.at('a', 'web-1.qcow2'), hosts.at('b', 'web-1.qcow2'));
    await expectEqual(hosts.at('c', 'db-1.qcow2'), hosts.at('b', 'db-1.qcow2'));
    expect(manifests()).toHaveLength(1);
  });
  it('keeps its manifest when one of them fails before the other one’s file has its name', async () => {
    const { files, reading, naming } = holding();
    const two = await both(files);
    await expect.poll(() => reading.size, patiently).toBe(2);
    reading.get('os.qcow2')!();
    await expect.poll(() => naming.size, patiently).toBe(1);
    const other = [...reading.keys()].find((name) => name !== 'os.qcow2')!;
    const [second, first] = two.toSorted(({ id }) => (other.includes(id.slice(1, 9)) ? -1 : 1));
    reading.get(other)!(new Error('damaged'));
    await expect.poll(arrivals, patiently).toHaveLength(1);
    expect(await second!.ended).toMatchObject({ state: 'failed' });
    letGo();
    expect(await first!.ended).toMatchObject({ state: 'committed' });
    expect(filesIn(hosts.at('b')).filter((name) => name.startsWith('os'))).toEqual(['os.qcow2']);
    expect(manifests()).toHaveLength(1);
  });

  it('is gone when both were aborted', async () => {
    const { files, reading, naming } = holding();
    const two = await both(files);
    await expect.poll(() => reading.size, patiently).toBe(2);
    hosts.cloud().hooks.before = async ({ path }) => {
      if (!/\.follow\..*\/receipt$/.test(path)) return;
      await abort(/m[0-9a-f]{20}/.exec(path)![0]);
    };
    letGo();
    await expect.poll(() => naming.size, patiently).toBe(2);
    letGo();
    for (const { ended } of two) expect(await ended).toMatchObject({ state: 'aborted' });
    await expect.poll(() => filesIn(hosts.at('b')), patiently).toEqual([]);
    expect(arrivals()).toEqual([]);
    await expect.poll(manifests, patiently).toEqual([]);
  });
});
