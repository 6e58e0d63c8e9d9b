import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { systemProcesses } from '../../adapters/system/processes.ts';
import { parseAddress } from '../../agent/launch/address.ts';
import type { LauncherOptions } from '../../agent/launch/launcher.ts';
import type { Incoming } from '../../core/api/agent.ts';
import { limits } from '../../core/limits.ts';
import { filesIn } from '../agent/support.ts';
import { MiB } from '../disk/support.ts';
import { eachDestination, MIGRATION, VM } from './destination.ts';
import { launcherOf, machineOf } from './launcher-file.ts';
import { describeWithGuest } from './qemu.ts';

const FIRST = { at: 4 * MiB, length: 6 * MiB, seed: 3 };
const OWNER = { migration: MIGRATION, vm: VM };
const launcher: LauncherOptions = { path: 'l.json', file: launcherOf(machineOf(64)), address: parseAddress('unix') };

describeWithGuest('a QEMU that waits for its guest', () => {
  const to = eachDestination();
  const words = () => to.bodies('announceIncoming') as Incoming[];

  /** A follow that has announced its QEMU. */
  async function waiting(options: { signal?: AbortSignal } = {}) {
    const host = await to.host({ launcher });
    const followed = to.follow(host, { ...options, cutover: 'ram' });
    followed.catch(() => undefined);
    await to.push([FIRST]);
    await expect.poll(words, { timeout: 15_000 }).toHaveLength(1);
    const { mark } = host.launches.find(OWNER)!;
    expect(await systemProcesses.isRunning(mark)).toBe(true);
    return { host, followed, mark };
  }
  const expectNothing = async (mark: string) => {
    expect(await systemProcesses.isRunning(mark)).toBe(false);
    expect(filesIn(to.at('b'))).toEqual(['os.qcow2', 'we.qcow2']);
    expect(readdirSync(to.at('s', 'qemu'))).toEqual(['journal']);
  };

  it('is told of with its address, once the disk is there, and ends when the VM is rolled back', async () => {
    const { followed, mark } = await waiting();
    expect(words()[0]).toMatchObject({ uri: expect.stringMatching(/^unix:\//), applied: expect.any(String) });
    const second = [FIRST, { at: 0, length: MiB, seed: 4 }];
    await to.push(second);
    await expect.poll(words).toHaveLength(2);
    await to.push(second, 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    to.settle('rolled-back');
    await expect(followed).rejects.toMatchObject({ code: 'ROLLED_BACK' });
    await expectNothing(mark);
  });

  it('ends when the task is cancelled', async () => {
    const stop = new AbortController();
    const { followed, mark } = await waiting({ signal: stop.signal });
    stop.abort(new Error('cancelled'));
    await expect(followed).rejects.toThrow('cancelled');
    await expectNothing(mark);
  });

  it('ends with the next run of an agent that died', async () => {
    const { mark } = await waiting();
    await to.host({ launcher });
    await expectNothing(mark);
  });

  it('whose end nobody asked for fails the move', async () => {
    const { followed, mark } = await waiting();
    await systemProcesses.kill(mark);
    await expect(followed).rejects.toMatchObject({ code: 'GUEST_ENDED' });
    await expectNothing(mark);
  });

  it('and that lost its guest leaves the VM’s disk, if the source does not take the VM back within guest_runs_ms', async () => {
    const { host, followed, mark } = await waiting();
    await to.push([FIRST], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    Object.assign(limits, { guest_runs_ms: 500 });
    await systemProcesses.kill(mark);
    to.settle('committed');
    await expect(followed).rejects.toMatchObject({
      code: 'GUEST_LOST',
      cause: { code: expect.stringMatching(/^(GUEST_ENDED|QMP_LOST)$/) },
    });
    expect(await host.images.vms()).toMatchObject([{ name: VM, top: to.at('b', 'web-1.qcow2') }]);
  });

  it('is booted from its disk after the commit where only the storage moved, and is the VM’s own then', async () => {
    const host = await to.host({ launcher });
    const followed = to.follow(host, { cutover: 'stop' });
    await to.push([FIRST], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    expect(host.launches.find(OWNER)).toBeUndefined();
    to.settle('committed');
    await followed;
    const { mark } = host.launches.find(OWNER)!;
    const [kept] = (await to.host({ launcher })).launches.kept();
    expect(kept).toMatchObject({ vm: VM });
    expect(await systemProcesses.isRunning(mark)).toBe(true);
    await systemProcesses.kill(mark);
  });
});
