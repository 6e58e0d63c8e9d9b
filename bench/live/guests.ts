import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { systemClock } from '../../adapters/system/clock.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { RunningVms } from '../../agent/images/running-vms.ts';
import type { LauncherFile } from '../../agent/launch/template.ts';
import { connectQmp, type Qmp } from '../../agent/qemu/qmp.ts';
import { findProgram } from '../../bin/demo/live/needs.ts';
import { GUEST_DISK_BYTES, guestSector } from '../../test/live/guest/guest.ts';
import { incompressible } from '../content.ts';
import type { Settings } from '../finding.ts';

const MiB = 1024 * 1024;
const CLUSTER_BYTES = 64 * 1024;
/** User data beside what the guest writes. */
const DISK: GuestDisk = { isQuiet: true, dataAt: 16 * MiB, dataBytes: 8 * MiB };
/** The guest does nothing but write: without a limit it would dirty all that it writes to within any round. */
const WRITES_PER_SECOND = 50;
const MACHINE = ['-machine', 'q35,accel=tcg', '-m', '64', '-nodefaults', '-display', 'none'];
const DEVICE = ['-device', 'virtio-blk-pci,id=vd0,drive=disk0,bootindex=0'];
/** The part of it that has the disk. */
export const DISK_DEVICE = '/machine/peripheral/vd0/virtio-backend';

/** Where a host keeps its VMs' images, and its agent what it knows of them. */
export interface Place {
  readonly images: string;
  readonly state: string;
}

/** Whether running guests can be measured here; says so if not. */
export function hasQemu(bench: string, note: Settings['note']): boolean {
  if (findProgram('qemu-system-x86_64') !== undefined) return true;
  note(`${bench}: left out, QEMU is not installed (apt-get install qemu-system-x86)`);
  return false;
}

/** A disk as QEMU opens it, alike at both sides. */
function disk(filename: string) {
  return { driver: 'qcow2', 'node-name': 'disk0', discard: 'unmap', file: { driver: 'file', filename } };
}

const program = () => findProgram('qemu-system-x86_64')!;

function monitors(...paths: string[]): string[] {
  return paths.flatMap((path) => ['-qmp', `unix:${path},server=on,wait=off`]);
}

/** How the destination starts such guests' QEMUs; `images` has the bench's own monitors of them. */
export function launcher(images: string): LauncherFile {
  const qmp = monitors('{qmp}', ownMonitorOf('{name}', images));
  return {
    command: [program(), ...MACHINE, ...qmp, '-blockdev', disk('{disk:ud}'), ...DEVICE, ['-incoming', '{incoming}']],
  };
}

/** What a guest has beside its numbers; one that is not quiet writes at each tick of its clock, 18 times a second. */
export interface GuestDisk {
  readonly isQuiet: boolean;
  readonly dataAt: number;
  readonly dataBytes: number;
}

/** Makes the disk of a guest and a VM file for it, before the agent with this state folder runs. */
export async function makeGuest(
  name: string,
  seed: number,
  at: Place,
  { isQuiet, dataAt, dataBytes } = DISK,
): Promise<void> {
  const top = join(at.images, `${name}.qcow2`);
  const virtualBytes = Math.max(GUEST_DISK_BYTES, dataAt + dataBytes);
  const writer = await createQcow2(top, { virtualBytes, clusterBytes: CLUSTER_BYTES, version: 3 });
  const data = Buffer.alloc(dataBytes);
  incompressible(seed)(data);
  await writer.write(0, guestSector({ quiet: isQuiet }));
  await writer.write(dataAt, data);
  await writer.finish();
  await tellOf(name, at);
}

/** Writes the VM file of a guest whose disk is there. */
export async function tellOf(name: string, { images, state }: Place): Promise<void> {
  const vms = new RunningVms(join(state, 'running'), images);
  await vms.put({
    name,
    qmp: agentMonitorOf(name, images),
    disks: [{ node: 'disk0', top: join(images, `${name}.qcow2`) }],
  });
}

/** The socket of the monitor that is for whoever moves the guest. */
export function agentMonitorOf(name: string, images: string): string {
  return join(images, `${name}.qmp`);
}

/** The socket of the bench's own monitor, at either side. */
export function ownMonitorOf(name: string, images: string): string {
  return join(images, `${name}.own`);
}

/** A connection to a monitor. */
export function connectMonitor(monitor: string): Promise<Qmp> {
  return connectQmp(unixSocket(monitor), { clock: systemClock, signal: new AbortController().signal });
}

/** Starts a QEMU on `<images>/<name>.qcow2`. */
export function startQemu(name: string, images: string, more: readonly string[] = []): ChildProcess {
  const drive = JSON.stringify(disk(join(images, `${name}.qcow2`)));
  const qmp = monitors(agentMonitorOf(name, images), ownMonitorOf(name, images));
  return spawn(program(), [...MACHINE, ...qmp, '-blockdev', drive, ...DEVICE, ...more], { stdio: 'ignore' });
}

/**
 * Boots a guest that counts on its disk, and waits until it writes: so often in a second at the most, or as it comes if
 * that is `Infinity`. Gives its process, which ends when it has gone.
 */
export async function bootGuest(
  name: string,
  images: string,
  writesPerSecond = WRITES_PER_SECOND,
): Promise<ChildProcess> {
  const child = startQemu(name, images);
  try {
    const qmp = await connectMonitor(ownMonitorOf(name, images));
    if (writesPerSecond !== Number.POSITIVE_INFINITY) await throttle(qmp, writesPerSecond);
    while ((await writes(qmp)) < WRITES_PER_SECOND) await systemClock.sleep(50);
    qmp.close();
    return child;
  } catch (error) {
    await killGuest(child);
    throw error;
  }
}

async function throttle(qmp: Qmp, writesPerSecond: number): Promise<void> {
  const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0 };
  await qmp.execute('block_set_io_throttle', { id: DISK_DEVICE, ...none, iops_wr: writesPerSecond });
}

async function writes(qmp: Qmp): Promise<number> {
  const stats = (await qmp.execute('query-blockstats')) as { stats: { wr_operations: number } }[];
  return stats.reduce((sum, each) => sum + each.stats.wr_operations, 0);
}

export async function killGuest(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
