import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../adapters/system/clock.ts';
import { systemFiles } from '../../../adapters/system/files.ts';
import { putBack } from '../../../agent/live/put-back.ts';
import { disksOf } from '../../../agent/qemu/disks.ts';
import { limits } from '../../../core/limits.ts';
import { eachFolder } from '../../agent/support.ts';
import { expectSame } from '../../disk/support.ts';
import { lastNumber } from '../guest/guest.ts';
import {
  describeWithGuest,
  type Guest,
  IOTHREAD_DEVICE,
  IOTHREAD_SCSI_DEVICE,
  makeChain,
  PLAIN_DEVICE,
  startGuest,
} from '../qemu.ts';
import { apply, slowFiles, trackByMirror } from './tracked.ts';

const never = new AbortController().signal;
const folder = eachFolder();
const asTheyAre = { ...limits };
let guest: Guest;
beforeEach(() => void mkdirSync(folder.at('state')));
afterEach(async () => {
  Object.assign(limits, asTheyAre);
  await guest.end();
});

async function start(device = IOTHREAD_DEVICE): Promise<void> {
  guest = await startGuest(folder.at('.'), await makeChain(folder.at('.')), { device });
}

/** What of ours is in the guest's QEMU. */
async function ours(): Promise<string[]> {
  const jobs = (await guest.qmp.execute('query-block-jobs')) as { device: string }[];
  const nodes = (await guest.qmp.execute('query-named-block-nodes', { flat: true })) as { 'node-name': string }[];
  const names = nodes.map((node) => node['node-name']).filter((name) => name.startsWith('layermover-'));
  return [...jobs.map(({ device }) => device), ...names];
}

async function isReady(): Promise<boolean> {
  const [job] = (await guest.qmp.execute('query-block-jobs')) as { ready: boolean }[];
  return job!.ready;
}

/** An agent in a process of its own, of which so many rounds have begun. */
async function agentIn(rounds: number): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'agent.ts');
  const child = spawn(process.execPath, [script, guest.socket, folder.at('state')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  // Read to the end: it must not die of a pipe that nobody reads.
  child.stdout!.on('data', (bytes: Buffer) => {
    said += bytes;
  });
  await expect.poll(() => said, { timeout: 30_000, interval: 5 }).toContain(`round ${rounds - 1}\n`);
  return child;
}

async function put(): Promise<void> {
  const { qdev } = (await disksOf(guest.qmp))[0]!;
  const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };
  const record = { vm: 'v', migration: 'm', qmp: guest.socket, disks: [{ qdev: qdev!, throttle: none }] };
  await putBack(record, { clock: systemClock, signal: never });
}

describeWithGuest('a disk that is mirrored', () => {
  it.each([
    ['virtio-blk in an iothread', 1, IOTHREAD_DEVICE],
    ['virtio-blk in an iothread', 30, IOTHREAD_DEVICE],
    ['virtio-scsi in an iothread', 1, IOTHREAD_SCSI_DEVICE],
    ['virtio-scsi in an iothread', 30, IOTHREAD_SCSI_DEVICE],
    ['virtio-blk in the main loop', 30, PLAIN_DEVICE],
  ])('of %s whose agent is killed as it takes round %i leaves its guest alone', async (_, rounds, device) => {
    await start(device);
    const agent = await agentIn(rounds);
    const ended = once(agent, 'exit');
    agent.kill('SIGKILL');
    await ended;
    await guest.written(50);
    expect(await guest.qmp.execute('query-status')).toMatchObject({ running: true, status: 'running' });
    await put();
    expect(await ours()).toEqual([]);
    const { tracking, qmp } = await trackByMirror(guest.socket, folder.at('state'));
    await tracking.round({ isLast: false }, never, async () => undefined);
    await tracking.end();
    qmp.close();
    expect(await ours()).toEqual([]);
  });

  it.each([1, 2, 3, 4])('whose agent hangs, and dies as its guest is being stopped, leaves it alone (%i)', async () => {
    await start();
    const agent = await agentIn(30);
    agent.kill('SIGSTOP');
    await guest.written(20);
    const stopped = guest.qmp.waitFor('STOP', () => true, never);
    const stop = guest.qmp.execute('stop');
    // QEMU waits for what its mirror is writing.
    await systemClock.sleep(300);
    agent.kill('SIGKILL');
    await Promise.all([stop, stopped]);
    await guest.qmp.execute('cont');
    await guest.written(20);
    await put();
    expect(await ours()).toEqual([]);
  });

  it('whose copy finds no room leaves its guest alone, and tells so', async () => {
    await start();
    Object.assign(limits, { mirror_look_bytes: 1 });
    const { tracking, qmp } = await trackByMirror(guest.socket, folder.at('state')).finally(() => {
      Object.assign(limits, { mirror_free_bytes_min: 2 ** 60 });
    });
    const read = async ([layer]: readonly { extents(): AsyncIterable<unknown> }[]) => {
      for await (const _ of layer!.extents());
    };
    const rounds = async () => {
      for (;;) await tracking.round({ isLast: false }, never, read);
    };
    await expect(rounds()).rejects.toMatchObject({ code: 'DISK_FULL' });
    await guest.written(20);
    expect(tracking.isAlive).toBe(false);
    await tracking.end();
    qmp.close();
    expect(await ours()).toEqual([]);
    expect(readdirSync(folder.at('state'))).toEqual([]);
  });

  it.each([
    ['that keeps up', systemFiles],
    ['that never comes to have all', slowFiles(300)],
  ])('by a mirror %s is brought as the guest leaves it', async (_, files) => {
    await start();
    execFileSync('qemu-img', ['convert', '-O', 'raw', folder.at('env.qcow2'), folder.at('below.raw')]);
    const brought = readFileSync(folder.at('below.raw'));
    const { tracking, qmp } = await trackByMirror(guest.socket, folder.at('state'), files);
    const round = (isLast: boolean) => tracking.round({ isLast }, never, ([layer]) => apply(layer!, brought));
    for (let each = 0; each < 3; each++) {
      await round(false);
      await guest.written(30);
    }
    // A quick guest is ahead of any mirror for a while.
    if (files === systemFiles) await expect.poll(isReady, { timeout: 30_000, interval: 10 }).toBe(true);
    else expect(await isReady()).toBe(false);
    // A mirror that has all sleeps for 100 ms before it looks again.
    await expect.poll(() => tracking.remainingBytes(never), { timeout: 30_000, interval: 10 }).toBeGreaterThan(0);
    await guest.qmp.execute('stop');
    await round(true);
    expect(await tracking.remainingBytes(never)).toBe(0);
    expect(await ours()).toEqual([]);
    await tracking.end();
    qmp.close();
    await guest.end();
    execFileSync('qemu-img', ['convert', '-O', 'raw', guest.top, folder.at('left.raw')]);
    expect(lastNumber(folder.at('left.raw'))).toBeGreaterThan(90);
    expectSame(brought, readFileSync(folder.at('left.raw')));
  });

  it('that somebody else mirrors is left to him, and nothing of ours stays', async () => {
    await start();
    const bytes = (await disksOf(guest.qmp))[0]!.virtualBytes;
    await guest.qmp.execute('blockdev-add', { driver: 'null-co', 'node-name': 'theirs', size: bytes });
    const how = { 'copy-mode': 'background', 'on-source-error': 'stop', 'on-target-error': 'stop' };
    await guest.qmp.execute('blockdev-mirror', {
      'job-id': 'j',
      device: 'disk0',
      target: 'theirs',
      sync: 'top',
      ...how,
    });
    await expect(trackByMirror(guest.socket, folder.at('state'))).rejects.toMatchObject({
      code: 'QMP_COMMAND_FAILED',
      message: expect.stringContaining('blockdev-mirror'),
    });
    expect(await ours()).toEqual(['j']);
    expect(readdirSync(folder.at('state'))).toEqual([]);
    await guest.written(5);
  });

  it('is as it was once its mirror is ended, at any time', async () => {
    await start();
    for (const rounds of [0, 1, 3]) {
      const { tracking, qmp, log } = await trackByMirror(guest.socket, folder.at('state'));
      for (let round = 0; round < rounds; round++)
        await tracking.round({ isLast: false }, never, async () => undefined);
      await tracking.end();
      qmp.close();
      expect(await ours()).toEqual([]);
      expect(log.lines).toEqual([]);
      await guest.written(10);
    }
  });
});
