import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemProcesses } from '../../adapters/system/processes.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { parseAddress } from '../../agent/launch/address.ts';
import type { LauncherOptions } from '../../agent/launch/launcher.ts';
import { settleLeft } from '../../agent/live/destination/settle-left.ts';
import { guestStatus } from '../../agent/qemu/guest.ts';
import { connectQmp } from '../../agent/qemu/qmp.ts';
import type { Incoming } from '../../core/api/agent.ts';
import { limits } from '../../core/limits.ts';
import { filesIn } from '../agent/support.ts';
import { qemuImg } from '../disk/qemu.ts';
import { MiB } from '../disk/support.ts';
import { DISK, eachDestination, MIGRATION, never, VM } from './destination.ts';
import { launcherOf, machineOf } from './launcher-file.ts';
import { describeWithGuest, type Guest, startGuest } from './qemu.ts';

const FIRST = { at: 4 * MiB, length: 6 * MiB, seed: 3 };
const OWNER = { migration: MIGRATION, vm: VM };
const launcher: LauncherOptions = { path: 'l.json', file: launcherOf(machineOf(64)), address: parseAddress('unix') };

describeWithGuest('a QEMU that waits for its guest', () => {
  const to = eachDestination();
  const asTheyAre = { ...limits };
  afterEach(() => Object.assign(limits, asTheyAre));
  const words = () => to.bodies('announceIncoming') as Incoming[];

  /** A follow that has announced its QEMU. */
  async function waiting(options: { signal?: AbortSignal } = {}) {
    const own = ['-qmp', `unix:${to.at('own')},server=on,wait=off`];
    const command = [...launcher.file.command, ...own];
    const host = await to.host({ launcher: { ...launcher, file: { command } } });
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
    expect(words()[0]).toMatchObject({
      uri: expect.stringMatching(/^unix:\//),
      applied: { [`ud:${VM}`]: expect.any(String) },
    });
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

  /** All that it followed has come and is proven. */
  async function proven(options: { signal?: AbortSignal } = {}) {
    const found = await waiting(options);
    await to.push([FIRST], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    return found;
  }
  const said = () => to.bodies('announceRunning');
  const isOpen = async (promise: Promise<unknown>) =>
    (await Promise.race([promise, systemClock.sleep(1000).then(() => 'open')]).catch(() => 'failed')) === 'open';

  it('and that ended after the commit is told of as lost; its VM is given up by nobody but its source', async () => {
    const { followed, mark } = await proven();
    await systemProcesses.kill(mark);
    to.settle('committed');
    await expect.poll(said).toEqual([{ guest: 'lost' }]);
    expect(await isOpen(followed)).toBe(true);
    to.end('rolled-back');
    await expect(followed).rejects.toMatchObject({ code: 'ROLLED_BACK' });
    await expectNothing(mark);
  });

  it('in vain for guest_runs_ms ends, so that the guest never comes, and only then is told of as lost', async () => {
    const { followed, mark } = await proven();
    Object.assign(limits, { guest_runs_ms: 500 });
    to.settle('committed');
    await expect.poll(said).toEqual([{ guest: 'lost' }]);
    expect(await systemProcesses.isRunning(mark)).toBe(false);
    expect(await isOpen(followed)).toBe(true);
    to.end('rolled-back');
    await expect(followed).rejects.toMatchObject({ code: 'ROLLED_BACK' });
  });

  it('in vain leaves the VM’s disk if an operator leaves the VM here', async () => {
    const { host, followed, mark } = await proven();
    await systemProcesses.kill(mark);
    to.settle('committed');
    await expect.poll(said).toEqual([{ guest: 'lost' }]);
    to.tell({ is: 'left' });
    await expect(followed).rejects.toMatchObject({
      code: 'GUEST_LOST',
      cause: { code: expect.stringMatching(/^(GUEST_ENDED|QMP_LOST)$/) },
    });
    expect(await host.images.vms()).toMatchObject([{ name: VM, disks: [{ top: to.at('b', 'web-1.qcow2') }] }]);
  });

  let source: Guest | undefined;
  afterEach(async () => {
    await source?.end();
    source = undefined;
  });

  /** The guest comes, from another QEMU. */
  async function comes(): Promise<void> {
    const path = to.at('copy.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', path, String(DISK));
    source = await startGuest(to.at('.'), path);
    await source.qmp.execute('migrate', { uri: words()[0]!.uri });
  }
  async function statusHere(): Promise<string> {
    const qmp = await connectQmp(unixSocket(to.at('own')), { clock: systemClock, signal: never });
    try {
      return (await guestStatus(qmp)).status;
    } finally {
      qmp.close();
    }
  }
  const RUNS = { guest: 'runs', waited_ms: expect.any(Number) };

  it('does not run it before the cloud says that it may', async () => {
    const { followed, mark } = await proven();
    to.refused.add('announceRunning');
    await comes();
    await expect.poll(said, { timeout: 15_000 }).toEqual([{}]);
    expect(await statusHere()).toBe('paused');
    expect(await isOpen(followed)).toBe(true);
    to.end('rolled-back');
    await expect(followed).rejects.toMatchObject({ code: 'ROLLED_BACK' });
    await expectNothing(mark);
  });

  it('runs it then, and tells its source', async () => {
    const { followed, mark } = await proven();
    to.end('committed');
    await comes();
    await followed;
    expect(said()).toEqual([{}, RUNS]);
    expect(await statusHere()).toBe('running');
    await systemProcesses.kill(mark);
  });

  it('leaves it paused if it was', async () => {
    const { followed, mark } = await proven();
    to.wasPaused();
    to.end('committed');
    await comes();
    await followed;
    expect(await statusHere()).toBe('paused');
    await systemProcesses.kill(mark);
  });

  describe('and whose task was given up after the commit', () => {
    async function left() {
      const stop = new AbortController();
      const { host, followed, mark } = await proven({ signal: stop.signal });
      stop.abort(new Error('its source was silent'));
      await expect(followed).rejects.toThrow('silent');
      to.end('committed');
      const look = () => settleLeft(host, host.arrivals.waiting()[0]!, { mayComeAgain: false }, never);
      return { host, mark, look };
    }

    it('runs its guest if that is here', async () => {
      const { host, mark, look } = await left();
      await comes();
      await expect.poll(statusHere, { timeout: 15_000 }).toBe('paused');
      await look();
      expect(said()).toEqual([{}, RUNS]);
      expect(await statusHere()).toBe('running');
      expect(await host.images.vms()).toMatchObject([{ name: VM }]);
      await systemProcesses.kill(mark);
    });

    it('is left as it is while its task may come again', async () => {
      const { host, mark } = await left();
      await settleLeft(host, host.arrivals.waiting()[0]!, { mayComeAgain: true }, never);
      expect(said()).toEqual([]);
      expect(await systemProcesses.isRunning(mark)).toBe(true);
      await host.launches.end(OWNER);
    });

    it('is ended and told of as lost if it is not, and nothing is this host’s before that is decided', async () => {
      const { host, mark, look } = await left();
      for (let looks = 0; looks < 2; looks++) await look();
      to.tell({ is: 'lost' });
      await look();
      expect(said()).toEqual([{ guest: 'lost' }, { guest: 'lost' }]);
      expect(await host.images.vms()).toEqual([]);
      to.end('rolled-back');
      await look();
      await expectNothing(mark);
    });
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
