import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { systemClock } from '../../adapters/system/clock.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { RunningVms } from '../../agent/images/running-vms.ts';
import type { LauncherFile } from '../../agent/launch/template.ts';
import { connectQmp } from '../../agent/qemu/qmp.ts';
import { findProgram } from '../../bin/demo/live/needs.ts';
import { GUEST_DISK_BYTES, guestSector } from '../../test/live/guest/guest.ts';
import { incompressible } from '../content.ts';

const MiB = 1024 * 1024;
const CLUSTER_BYTES = 64 * 1024;
/** Beside what the guest writes: user data that it leaves alone. */
const DATA = { at: 16 * MiB, bytes: 8 * MiB };
/** The guest does nothing but write: without a limit it would dirty all that it writes to within any round. */
const WRITES_PER_SECOND = 50;
const MACHINE = ['-machine', 'q35,accel=tcg', '-m', '64', '-nodefaults', '-display', 'none'];
const DEVICE = ['-device', 'virtio-blk-pci,id=vd0,drive=disk0,bootindex=0'];
/** The part of it that has the disk. */
const DISK_DEVICE = '/machine/peripheral/vd0/virtio-backend';

/** A disk as QEMU opens it, alike at both sides. */
function disk(filename: string) {
  return { driver: 'qcow2', 'node-name': 'disk0', discard: 'unmap', file: { driver: 'file', filename } };
}

const program = () => findProgram('qemu-system-x86_64')!;

/** How the destination starts such guests' QEMUs. */
export function launcher(): LauncherFile {
  const qmp = ['-qmp', 'unix:{qmp},server=on,wait=off'];
  return {
    command: [program(), ...MACHINE, ...qmp, '-blockdev', disk('{disk:ud}'), ...DEVICE, ['-incoming', '{incoming}']],
  };
}

/** Makes the disk of a guest and a VM file for it, before the agent with this state folder runs. */
export async function makeGuest(name: string, seed: number, at: { images: string; state: string }): Promise<void> {
  const top = join(at.images, `${name}.qcow2`);
  const writer = await createQcow2(top, { virtualBytes: GUEST_DISK_BYTES, clusterBytes: CLUSTER_BYTES, version: 3 });
  const data = Buffer.alloc(DATA.bytes);
  incompressible(seed)(data);
  await writer.write(0, guestSector({ quiet: true }));
  await writer.write(DATA.at, data);
  await writer.finish();
  const vms = new RunningVms(join(at.state, 'running'), at.images);
  await vms.put({ name, qmp: socketOf(name, at.images), disks: [{ node: 'disk0', top }] });
}

function socketOf(name: string, images: string): string {
  return join(images, `${name}.qmp`);
}

/** Boots a guest that counts on its disk, and waits until it writes. Gives its process, which ends when it has gone. */
export async function bootGuest(name: string, images: string): Promise<ChildProcess> {
  const watched = join(images, `${name}.own`);
  const monitors = [socketOf(name, images), watched].flatMap((path) => ['-qmp', `unix:${path},server=on,wait=off`]);
  const drive = JSON.stringify(disk(join(images, `${name}.qcow2`)));
  const child = spawn(program(), [...MACHINE, ...monitors, '-blockdev', drive, ...DEVICE], { stdio: 'ignore' });
  try {
    await untilWriting(watched);
    return child;
  } catch (error) {
    await killGuest(child);
    throw error;
  }
}

async function untilWriting(monitor: string): Promise<void> {
  const qmp = await connectQmp(unixSocket(monitor), { clock: systemClock, signal: new AbortController().signal });
  const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0 };
  await qmp.execute('block_set_io_throttle', { id: DISK_DEVICE, ...none, iops_wr: WRITES_PER_SECOND });
  while ((await writes(qmp)) < WRITES_PER_SECOND) await systemClock.sleep(50);
  qmp.close();
}

async function writes(qmp: Awaited<ReturnType<typeof connectQmp>>): Promise<number> {
  const stats = (await qmp.execute('query-blockstats')) as { stats: { wr_operations: number } }[];
  return stats.reduce((sum, each) => sum + each.stats.wr_operations, 0);
}

export async function killGuest(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
