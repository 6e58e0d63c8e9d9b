import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../adapters/system/clock.ts';
import { putBack } from '../../../agent/live/put-back.ts';
import { disksOf } from '../../../agent/qemu/disks.ts';
import { limits } from '../../../core/limits.ts';
import { eachFolder } from '../../agent/support.ts';
import {
  describeWithGuest,
  type Guest,
  IOTHREAD_DEVICE,
  IOTHREAD_SCSI_DEVICE,
  makeChain,
  PLAIN_DEVICE,
  startGuest,
} from '../qemu.ts';
import { trackByMirror } from './tracked.ts';

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

/** An agent in a process of its own, of which so many rounds have begun. */
async function agentIn(rounds: number): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'agent.ts');
  const child = spawn(process.execPath, [script, guest.socket, folder.at('state')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const bytes of child.stdout!) {
    said += bytes;
    if (said.includes(`round ${rounds - 1}\n`)) break;
  }
  return child;
}

async function put(): Promise<void> {
  const { qdev } = (await disksOf(guest.qmp))[0]!;
  const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };
  const record = { vm: 'v', migration: 'm', qmp: guest.socket, qdev: qdev!, throttle: none };
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

  it('whose copy finds no room leaves its guest alone, and tells so', async () => {
    await start();
    Object.assign(limits, { mirror_look_bytes: 1 });
    const { tracking, qmp } = await trackByMirror(guest.socket, folder.at('state')).finally(() => {
      Object.assign(limits, { mirror_free_bytes_min: 2 ** 60 });
    });
    const read = async (layer: { extents(): AsyncIterable<unknown> }) => {
      for await (const _ of layer.extents());
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
