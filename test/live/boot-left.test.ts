import { expect, it } from 'vitest';
import { systemProcesses } from '../../adapters/system/processes.ts';
import type { LauncherOptions } from '../../agent/launch/launcher.ts';
import { bootLeft } from '../../agent/live/destination/boot-left.ts';
import { settleLeft } from '../../agent/live/destination/settle-left.ts';
import type { TaskHost } from '../../agent/tasks/task.ts';
import { MiB } from '../disk/support.ts';
import { eachDestination, MIGRATION, never, VM } from './destination.ts';
import { launcherOf, machineOf } from './launcher-file.ts';
import { describeWithGuest } from './qemu.ts';

const OWNER = { migration: MIGRATION, vm: VM };
const launcher: LauncherOptions = { path: 'l.json', file: launcherOf(machineOf(64)) };

describeWithGuest('a VM that was stopped for good, and whose task was given up after the commit', () => {
  const to = eachDestination();
  const waiting = (host: TaskHost) => host.arrivals.waiting()[0]!;
  const look = (host: TaskHost, mayComeAgain = false) => settleLeft(host, waiting(host), { mayComeAgain }, never);

  async function left(options = launcher): Promise<TaskHost> {
    const stop = new AbortController();
    const host = await to.host({ launcher: options });
    const followed = to.follow(host, { cutover: 'stop', signal: stop.signal });
    await to.push([{ at: 4 * MiB, length: MiB, seed: 3 }], 'last');
    await expect.poll(() => to.bodies('storeReceipt')).toHaveLength(1);
    stop.abort(new Error('its source was silent'));
    await expect(followed).rejects.toThrow('silent');
    to.end('committed');
    return host;
  }

  it('boots once its source can’t take it back any more, and is the VM’s own then', async () => {
    const host = await left();
    to.refused.add('announceRunning');
    await look(host);
    expect(host.launches.find(OWNER)).toBeUndefined();
    to.refused.clear();
    // Others of its migration may still move.
    await look(host, true);
    const [kept] = host.launches.kept();
    expect(await host.images.vms()).toMatchObject([{ name: VM, qmp: kept!.qmp, disks: [{ node: 'disk0' }] }]);
    const { mark } = host.launches.find(OWNER)!;
    expect(await systemProcesses.isRunning(mark)).toBe(true);
    expect(waiting(host)).toBeUndefined();
    await systemProcesses.kill(mark);
  });

  it('boots once, though the agent dies before it has noted that', async () => {
    const host = await left();
    await bootLeft(host, waiting(host), never);
    const { mark } = host.launches.find(OWNER)!;
    const again = await to.host({ launcher });
    await look(again);
    expect(again.launches.kept()).toHaveLength(1);
    expect(again.launches.find(OWNER)!.mark).toBe(mark);
    expect(await systemProcesses.isRunning(mark)).toBe(true);
    await systemProcesses.kill(mark);
  });

  it('is booted again if it ended before that', async () => {
    const host = await left();
    await bootLeft(host, waiting(host), never);
    const { mark } = host.launches.find(OWNER)!;
    await systemProcesses.kill(mark);
    await look(host);
    const second = host.launches.find(OWNER)!;
    expect(second.mark).not.toBe(mark);
    expect(await systemProcesses.isRunning(second.mark)).toBe(true);
    await systemProcesses.kill(second.mark);
  });

  it('that does not boot is told of, with its disk, and is this host’s', async () => {
    const command = ['/bin/sh', '-c', 'echo no such machine >&2', '{qmp}', '{disk}'];
    const host = await left({ path: 'l.json', file: { command } });
    await look(host);
    const told = to.log.lines.findLast(({ level, fields }) => level === 'error' && 'error' in fields);
    expect(told?.fields).toMatchObject({
      vm: VM,
      error: {
        code: 'GUEST_LOST',
        hint: expect.stringContaining(to.at('b', 'web-1.qcow2')),
        cause: { code: 'LAUNCH_FAILED', message: expect.stringContaining('no such machine') },
      },
    });
    expect(await host.images.vms()).toMatchObject([{ name: VM, disks: [{ top: to.at('b', 'web-1.qcow2') }] }]);
  });
});
