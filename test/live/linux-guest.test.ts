import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { connectQmp } from '../../agent/qemu/qmp.ts';
import { makeDisks } from '../../bin/demo/live/disks.ts';
import { acknowledged, judge } from '../../bin/demo/live/judge.ts';
import { findKernel, linuxArguments, makeLinux } from '../../bin/demo/live/linux.ts';
import { endGuest } from '../../bin/demo/live/serial.ts';
import { eachFolder } from '../agent/support.ts';
import { MiB } from '../disk/support.ts';
import { moveByHand, OWNER, openLaunches } from './by-hand.ts';
import { launcherOf } from './launcher-file.ts';
import { describeWithGuest } from './qemu.ts';

const folder = eachFolder();
const DISK = 64 * MiB;
const canRun = findKernel() !== undefined && existsSync('/bin/busybox');
if (!canRun && process.env.CI === undefined)
  process.stderr.write('skipped, linux-image-cloud-amd64 and busybox-static are not both installed: a Linux guest\n');

describeWithGuest('a Linux guest that works as a database does', () => {
  it.skipIf(!canRun && process.env.CI === undefined)(
    'moves without losing what it acknowledged',
    { timeout: 240_000 },
    async () => {
      const [from, to] = ['a', 'b'].map((name) => folder.at(name)) as [string, string];
      for (const path of [from, to]) mkdirSync(path);
      const linux = await makeLinux(folder.path());
      const { 'web-1': own } = await makeDisks(from, ['web-1'], { os: [], we: [], bytes: DISK });
      for (const name of ['os.qcow2', 'we.qcow2']) copyFileSync(`${from}/${name}`, `${to}/${name}`);
      const [serialA, serialB] = [folder.at('sa'), folder.at('sb')];
      const disk = { driver: 'qcow2', 'node-name': 'disk0', file: { driver: 'file', filename: own } };

      const blockdev = ['-blockdev', JSON.stringify(disk), '-device', 'virtio-blk-pci,id=vd0,drive=disk0'];
      const monitor = ['-qmp', `unix:${folder.at('qmp')},server=on,wait=off`];
      const args = [...linuxArguments(linux, serialA), ...monitor, ...blockdev];
      const child = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'inherit', 'inherit'] });
      const ended = once(child, 'exit');
      const launches = await openLaunches(folder.at('l'));
      try {
        const source = await connectQmp(unixSocket(folder.at('qmp')), { clock: systemClock, signal: never });
        const acks = (count: number, serials = [serialA]) =>
          expect.poll(() => acknowledged(serials), { timeout: 90_000 }).toBeGreaterThanOrEqual(count);
        await acks(5);
        const below = await openChain(`${to}/we.qcow2`, { imageFolder: to });
        const top = `${to}/web-1.qcow2`;
        const backing = { name: 'we.qcow2', format: 'qcow2', chain: below.layers.at(-1)! } as const;
        const writer = await createQcow2(top, { virtualBytes: DISK, clusterBytes: 65_536, version: 3, backing });
        let wanted = 5;
        await moveByHand({
          ...{ source, nbd: folder.at('nbd'), writer, top, launches },
          launcher: launcherOf(linuxArguments(linux, serialB)),
          between: () => {
            wanted += 5;
            return acks(wanted);
          },
          written: () => writer.checkpoint(),
        });
        source.close();
        const moved = await acknowledged([serialA, serialB]);
        await acks(moved + 5, [serialA, serialB]);
        await endGuest(serialB);
        const judged = await judge(top, [serialA, serialB], folder.at('raw'));
        expect(judged).not.toHaveProperty('fault');
        expect(judged.acknowledged).toBeGreaterThanOrEqual(moved + 5);
        await below.close();
      } finally {
        await launches.end(OWNER);
        child.kill('SIGKILL');
        await ended;
      }
    },
  );
});

const never = new AbortController().signal;
