import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import { settleLeft } from '../../agent/live/destination/settle-left.ts';
import type { Files, OpenFile } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { roundCursor } from '../../core/records.ts';
import { expectEqual } from '../agent/hosts.ts';
import { filesIn } from '../agent/support.ts';
import { KiB, MiB } from '../disk/support.ts';
import { eachDestination, MIGRATION, VM } from './destination.ts';

const FIRST = { at: 4 * MiB, length: 12 * MiB, seed: 3 };
const BASES = ['os.qcow2', 'we.qcow2'];

describe.each([4 * KiB, 64 * KiB, MiB])('a running VM that arrives, in chunks of %i bytes', (chunkBytes) => {
  const to = eachDestination({ chunkBytes });
  const top = () => to.at('b', 'web-1.qcow2');

  it('is under its name from the start, is announced when its rounds are written, and equal in the end', async () => {
    const host = await to.host();
    const followed = to.follow(host);
    await to.push([FIRST]);
    await expect.poll(() => to.bodies('announceIncoming')).toHaveLength(1);
    expect(filesIn(to.at('b'))).toEqual([...BASES, 'web-1.qcow2']);
    expect(await host.images.vms(), 'but no VM yet').toEqual([]);
    await expectEqual(to.at('a', 'web-1.qcow2'), top());

    const second = [FIRST, { at: 4 * MiB + 20 * KiB, length: 300 * KiB, seed: 4 }, { at: 0, length: MiB }];
    await to.push(second);
    await expect.poll(() => to.bodies('announceIncoming')).toHaveLength(2);
    await expectEqual(to.at('a', 'web-1.qcow2'), top());

    const layerId = await to.push([...second, { at: 20 * MiB, length: 100 * KiB, seed: 5 }], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    const [{ receipt }] = to.bodies('storeReceipt') as [{ receipt: { layers: object[] } }];
    expect(receipt.layers.at(-1)).toMatchObject({ layerId, evidence: 'read' });
    await expectEqual(to.at('a', 'web-1.qcow2'), top());
    expect(to.bodies('announceRunning')).toEqual([]);
    to.settle('committed');
    expect(await followed).toMatchObject({ kind: 'follow' });
    expect(to.bodies('announceRunning')).toHaveLength(1);
    expect(await host.images.vms()).toMatchObject([{ name: VM, disks: [{ top: top() }] }]);
    expect(await (await to.host()).images.vms()).toMatchObject([{ name: VM, disks: [{ top: top() }] }]);
    expect(readdirSync(to.at('s', 'manifests')).filter((name) => name.startsWith('draft'))).toEqual([]);
  });
});

describe('a running VM whose base layers are still fetched', () => {
  const to = eachDestination();

  it('comes as soon as its own are here', async () => {
    const host = await to.host();
    const { catalog, fetches } = host;
    const byLayer = catalog.byLayer.bind(catalog);
    const base = Promise.withResolvers<void>();
    let [looks, isHere] = [0, false];
    catalog.byLayer = async (layerId) => {
      looks += 1;
      return isHere ? byLayer(layerId) : undefined;
    };
    void fetches.during(MIGRATION, async (arrived) => {
      await base.promise;
      isHere = true;
      arrived();
    });
    const followed = to.follow(host, { bases: 'dedup' });
    await to.push([FIRST]);
    await expect.poll(() => looks).toBe(1);
    expect(filesIn(to.at('b'))).toEqual(BASES);
    base.resolve();
    await expect.poll(() => to.bodies('announceIncoming')).toHaveLength(1);
    await to.push([FIRST], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    to.settle('committed');
    expect(await followed).toMatchObject({ kind: 'follow' });
    await expectEqual(to.at('a', 'web-1.qcow2'), to.at('b', 'web-1.qcow2'));
  });
});

describe('a running VM that does not come', () => {
  const to = eachDestination();
  const expectNothing = async () => {
    expect(filesIn(to.at('b'))).toEqual(BASES);
    expect(readdirSync(to.at('s', 'arrivals'))).toEqual([]);
  };

  it('leaves nothing when it is rolled back', async () => {
    const followed = to.follow(await to.host());
    await to.push([FIRST], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    to.settle('rolled-back');
    await expect(followed).rejects.toMatchObject({ code: 'ROLLED_BACK' });
    await expectNothing();
  });

  it('leaves nothing when its source took it back after the commit, and does not boot', async () => {
    const file = { command: ['/usr/bin/touch', to.at('booted'), '{qmp}', '{disk}'] };
    const followed = to.follow(await to.host({ launcher: { path: 'launcher.json', file } }));
    await to.push([FIRST], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    to.refused.add('announceRunning');
    to.settle('committed');
    to.end('rolled-back');
    await expect(followed).rejects.toMatchObject({ code: 'ROLLED_BACK' });
    expect(existsSync(to.at('booted'))).toBe(false);
    await expectNothing();
  });

  it('leaves nothing when the task is cancelled between rounds', async () => {
    const stop = new AbortController();
    const followed = to.follow(await to.host(), { signal: stop.signal });
    await to.push([FIRST]);
    await expect.poll(() => to.bodies('announceIncoming')).toHaveLength(1);
    stop.abort(new Error('cancelled'));
    await expect(followed).rejects.toThrow('cancelled');
    await expectNothing();
  });

  it('leaves nothing when the agent died, and comes whole at the next attempt', async () => {
    void to.follow(await to.host()).catch(() => undefined);
    await to.push([FIRST]);
    await expect.poll(() => to.bodies('announceIncoming')).toHaveLength(1);
    await to.host();
    await expectNothing();
  });

  it('is refused before anything is made, if its memory is to come and nobody starts a QEMU', async () => {
    const followed = to.follow(await to.host(), { cutover: 'ram' });
    await expect(followed).rejects.toMatchObject({ code: 'LAUNCHER_MISSING' });
    await expectNothing();
  });

  it('is not taken for what was sent if the disk lost a write', async () => {
    const followed = to.follow(await to.host({ files: losing(4 * 64 * KiB) }));
    followed.catch(() => undefined);
    await to.push([FIRST], 'last');
    await expect(followed).rejects.toMatchObject({ code: 'READBACK_DIFFERS' });
    await expectNothing();
  });
});

describe('a running VM whose disk has arrived', () => {
  const to = eachDestination();

  it('is taken up by the next attempt: read back once more as long as the source has it, not after the commit', async () => {
    const dies = new AbortController();
    const first = to.follow(await to.host(), { signal: dies.signal });
    await to.push([FIRST], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    dies.abort();
    await expect(first).rejects.toThrow();
    const again = to.follow(await to.host(), { attempt: 2 });
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(2);
    to.settle('committed');
    await again;
    expect(await (await to.host()).images.vms()).toMatchObject([{ name: VM }]);
    // An attempt that comes after all is done has nothing to do.
    expect(await to.follow(await to.host(), { attempt: 3 })).toMatchObject({ streams: [] });
  });
});

describe('a running VM that was stopped for good, and whose task was given up after the commit', () => {
  const to = eachDestination();

  it('is this host’s once its source can’t take it back any more', async () => {
    const stop = new AbortController();
    const host = await to.host();
    const followed = to.follow(host, { signal: stop.signal });
    await to.push([FIRST], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    stop.abort(new Error('its source was silent'));
    await expect(followed).rejects.toThrow('silent');
    to.end('committed');
    to.refused.add('announceRunning');
    const look = () =>
      settleLeft(host, host.arrivals.waiting()[0]!, { mayComeAgain: false }, new AbortController().signal);
    await look();
    expect(await host.images.vms()).toEqual([]);
    to.refused.clear();
    await look();
    expect(await host.images.vms()).toMatchObject([{ name: VM }]);
  });
});

describe('after the last round', () => {
  const to = eachDestination({ chunkBytes: 4 * KiB });

  it('what that round wrote is read, not the disk', async () => {
    Object.assign(limits, { readback_slice_bytes: 2 * MiB });
    const read = to.pool.read.bind(to.pool);
    let bytes = 0;
    to.pool.read = (spans, ...more) => {
      bytes += spans.reduce((sum, { length }) => sum + length, 0);
      return read(spans, ...more);
    };
    const followed = to.follow(await to.host());
    await to.push([FIRST]);
    await expect.poll(() => to.bodies('announceIncoming')).toHaveLength(1);
    const delta = [FIRST, { at: 6 * MiB, length: 40 * KiB, seed: 9 }];
    const [round] = to.bodies('announceIncoming') as [{ applied: Record<string, string> }];
    expect(round.applied['ud:web-1']! < roundCursor({ run: 1, round: 'last', attempt: 1 }, 0)).toBe(true);
    bytes = 0;
    const pushed = FIRST.length;
    await to.push(delta, 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    expect(bytes - pushed, 'beside what the source itself read').toBe(40 * KiB);
    to.settle('committed');
    await followed;
  });
});

/** Files of which the first write at or after this byte of an image's data does not reach the disk. */
function losing(from: number): Files {
  let isLost = false;
  return {
    ...systemFiles,
    async open(path, how) {
      const file = await systemFiles.open(path, how);
      if (how !== 'create' || !path.endsWith('web-1.qcow2')) return file;
      const lossy: OpenFile = {
        fd: file.fd,
        stat: () => file.stat(),
        read: (into: Uint8Array, at: number) => file.read(into, at),
        truncate: (bytes: number) => file.truncate(bytes),
        sync: () => file.sync(),
        close: () => file.close(),
        write: async (bytes: Uint8Array, at: number) => {
          if (at >= from && !isLost) isLost = true;
          else await file.write(bytes, at);
        },
      };
      return lossy;
    },
  };
}
