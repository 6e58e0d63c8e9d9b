import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate } from './play.ts';
import { filesIn, type LayerSpec, writeLayer } from './support.ts';

/** Base layers are pulled while the one before is read back. */
const hosts = twoHosts();
const KiB = 1024;
const MiB = 1024 * KiB;
const SHARED = 9;
const ENVIRONMENT = /^(?:web|lamp|db|app)\.qcow2\.partial$/;
const patiently = { timeout: 10_000 };

/** All environments hold the same megabyte, each somewhere else, and something of their own. */
const environment = (name: string, at: number): LayerSpec => ({
  name: `${name}.qcow2`,
  patches: [
    { at: at * 256 * KiB, length: MiB, seed: SHARED },
    { at: 3 * MiB, length: 512 * KiB, seed: at },
  ],
});
const top = (vm: string, seed: number): LayerSpec => {
  return { name: `${vm}.qcow2`, patches: [{ at: 2 * MiB, length: 64 * KiB, seed }] };
};

let os: string;
beforeEach(async () => {
  os = await writeLayer(
    hosts.at('a'),
    { name: 'os.qcow2', patches: [{ at: 0, length: 256 * KiB, seed: 4 }] },
    undefined,
  );
});

/** An environment over what lies at `below`, and a VM on it. Gives its path. */
async function withVm(name: string, at: number, below = os): Promise<string> {
  const path = await writeLayer(hosts.at('a'), environment(name, at), below);
  await writeLayer(hosts.at('a'), top(`${name}-1`, 10 + at), path);
  return path;
}

const start = (...vms: string[]) => migrate(hosts.cloud(), { vms, to: 'b/h1', policy: 'kind' });

/** An agent that is stopped waits for its files. */
let letGo = () => {};
afterEach(() => letGo());

/** A destination that reads back no environment before the test lets go of the first one that has come. */
function holdReadBack() {
  const reached = Promise.withResolvers<string>();
  const go = Promise.withResolvers<void>();
  const begun: string[] = [];
  /** In the order in which they were read, by whom ever. */
  const read: string[] = [];
  letGo = go.resolve;
  const files: Files = {
    ...systemFiles,
    async open(path, how) {
      if (ENVIRONMENT.test(basename(path))) {
        if (how === 'create') begun.push(path);
        if (how === 'read' && read.push(path) === 1) {
          reached.resolve(path);
          await go.promise;
        }
      }
      return systemFiles.open(path, how);
    },
  };
  return { files, begun, read, reached: reached.promise, go: letGo };
}

/** The destination's agent has asked its cloud so often again, and done what came of it. */
async function polls(count: number): Promise<void> {
  const { hooks } = hosts.cloud();
  const { before } = hooks;
  let left = count;
  const enough = Promise.withResolvers<void>();
  hooks.before = async (call) => {
    if (call.path.includes('/b/h1/') && call.path.endsWith('/poll') && left-- === 0) enough.resolve();
    await before?.(call);
  };
  await enough.promise;
}

const nameOf = (partial: string) => basename(partial, '.partial');
/** Of all that were pulled, whether they were read back or not. */
const manifests = () => readdirSync(hosts.at('b', '.layermover', 'manifests')).filter((name) => /^\w{64}$/.test(name));
const arrivals = () => readdirSync(hosts.at('b', '.layermover', 'arrivals'));

/** Agents of both hosts, of which the destination's waits with reading back. */
async function bothHosts() {
  const hold = holdReadBack();
  await hosts.start('a');
  await hosts.start('b', undefined, undefined, hold.files);
  return hold;
}

describe('while a base layer is read back', () => {
  it('the next one comes, and takes from it what they share; no third one begins', async () => {
    for (const [at, name] of ['web', 'lamp', 'db'].entries()) await withVm(name, at + 1);
    const hold = await bothHosts();
    const { ended } = await start('web-1', 'lamp-1', 'db-1');
    const first = await hold.reached;
    await expect.poll(() => hold.begun.length, patiently).toBe(limits.layers_fetched_at_once);
    const second = hold.begun[1]!;
    await expect.poll(() => manifests().length, patiently).toBe(3);
    await polls(5);
    expect(hold.begun).toEqual([first, second]);
    for (const each of [first, second]) expect(filesIn(hosts.at('b'))).not.toContain(nameOf(each));
    // It is not read back itself.
    expect(hold.read).not.toContain(second);
    hold.go();
    const { state, vms } = await ended;
    expect(state).toBe('committed');
    for (const { name, equal, layers } of vms) {
      expect(equal).toBe(true);
      await expectEqual(hosts.at('a', `${name}.qcow2`), hosts.at('b', `${name}.qcow2`));
      const isFirst = nameOf(first) === layers[1]!.name;
      expect(layers[1]).toMatchObject({ local_bytes: isFirst ? 0 : MiB, done_bytes: MiB + 512 * KiB });
      if (!isFirst) expect(layers[1]!.pulled_bytes).toBeLessThan(600 * KiB);
    }
  });

  it('one that lies on it comes, too, and is read back when what it lies on has its name', async () => {
    await withVm('app', 2, await withVm('web', 1));
    const hold = await bothHosts();
    const { ended } = await start('app-1');
    const web = await hold.reached;
    expect(nameOf(web)).toBe('web.qcow2');
    await expect.poll(() => hold.begun.map(nameOf), patiently).toEqual(['web.qcow2', 'app.qcow2']);
    await expect.poll(() => manifests().length, patiently).toBe(3);
    await polls(5);
    expect(hold.read).not.toContain(hold.begun[1]);
    expect(filesIn(hosts.at('b'))).not.toContain('web.qcow2');
    hold.go();
    const { state, vms } = await ended;
    expect(state).toBe('committed');
    expect(vms[0]!.layers[2]).toMatchObject({ local_bytes: MiB });
    await expectEqual(hosts.at('a', 'app-1.qcow2'), hosts.at('b', 'app-1.qcow2'));
  });

  it('and the next one can’t be pulled, it is read back all the same, and stays', async () => {
    await withVm('web', 1);
    await withVm('lamp', 2);
    const hold = await bothHosts();
    const { objects } = hosts.cloud().ports;
    const get = objects.get.bind(objects);
    let isTorn = false;
    hold.reached.then(() => {
      isTorn = true;
    });
    objects.get = async (key, part) => {
      const bytes = await get(key, part);
      return isTorn && key.includes('/packs/') ? bytes.map((byte) => ~byte) : bytes;
    };
    const { ended } = await start('web-1', 'lamp-1');
    const first = await hold.reached;
    await expect.poll(() => hold.begun.length, patiently).toBe(2);
    await expect.poll(() => existsSync(hold.begun[1]!), patiently).toBe(false);
    hold.go();
    expect(await ended).toMatchObject({ state: 'failed', error: { code: 'FRAME_CORRUPT' } });
    expect(filesIn(hosts.at('b'))).toEqual(['os.qcow2', nameOf(first)].sort());
    expect(manifests()).toHaveLength(2);
    isTorn = false;
    const { state, vms } = await (await start('web-1', 'lamp-1')).ended;
    expect(state).toBe('committed');
    for (const { name, layers } of vms) {
      await expectEqual(hosts.at('a', `${name}.qcow2`), hosts.at('b', `${name}.qcow2`));
      if (layers[1]!.name === nameOf(first)) expect(layers[1]).toMatchObject({ pulled_bytes: 0 });
    }
  });

  it.each(['beside it', 'on it'])(
    'and is found to be damaged, one %s ends, too, and nothing of both stays',
    async (where) => {
      const web = await withVm('web', 1);
      await withVm('lamp', 2, where === 'on it' ? web : os);
      const hold = await bothHosts();
      const { objects } = hosts.cloud().ports;
      const get = objects.get.bind(objects);
      const asked = Promise.withResolvers<void>();
      const never = Promise.withResolvers<void>();
      let isDamaged = false;
      hold.reached.then(damage).then(() => {
        isDamaged = true;
      });
      objects.get = async (key, part) => {
        if (isDamaged && key.includes('/packs/')) {
          asked.resolve();
          await never.promise;
        }
        return get(key, part);
      };
      const { ended } = await start('web-1', 'lamp-1');
      await asked.promise;
      expect(hold.begun).toHaveLength(2);
      hold.go();
      const error = { code: 'READBACK_DIFFERS' };
      const rolledBack = { state: 'rolled-back', error };
      expect(await ended).toMatchObject({ state: 'failed', error, vms: [rolledBack, rolledBack] });
      await expect.poll(arrivals, patiently).toEqual([]);
      expect(filesIn(hosts.at('b'))).toEqual(['os.qcow2']);
      expect(manifests()).toHaveLength(1);
      isDamaged = false;
      never.resolve();
      expect(await (await start('web-1', 'lamp-1')).ended).toMatchObject({ state: 'committed' });
      for (const vm of ['web-1.qcow2', 'lamp-1.qcow2']) await expectEqual(hosts.at('a', vm), hosts.at('b', vm));
    },
  );
});

/** Changes a byte of what all environments hold. */
async function damage(path: string): Promise<void> {
  const shared = noise(MiB, SHARED);
  const at = readFileSync(path).indexOf(shared.subarray(0, 512));
  expect(at).toBeGreaterThan(0);
  await using file = await open(path, 'r+');
  await file.write(Buffer.from([~shared[0]!]), 0, 1, at);
}
