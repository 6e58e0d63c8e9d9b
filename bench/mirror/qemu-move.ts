import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { systemClock } from '../../adapters/system/clock.ts';
import type { Qmp } from '../../agent/qemu/qmp.ts';
import { RamMigration } from '../../agent/qemu/ram.ts';
import { limits } from '../../core/limits.ts';
import { openLink } from '../../test/live/sites/link.ts';
import type { Way } from '../linked-agent.ts';
import { agentMonitorOf, connectMonitor, killGuest, startQemu } from '../live/guests.ts';
import { qemuImg } from '../live/qemu-img.ts';

const NAME = 'arriving';
const JOB = 'mirror';
const never = new AbortController().signal;

export interface QemuMove {
  /** Folders of images. */
  readonly from: string;
  readonly to: string;
  readonly way: Way;
  /** Bytes of the disk, for one that arrives as a single image. */
  readonly bytes: number;
  /** Name of the image below the guest's own that is at the destination, too: then the top layer alone is copied. */
  readonly over?: string | undefined;
}

/** A guest that QEMU has moved. */
export interface MovedByQemu {
  /** What crossed the link, both ways. */
  readonly linkBytes: number;
  /** Its QEMU at the destination. */
  readonly process: ChildProcess;
}

/**
 * Moves a guest by QEMU's own means, as its documentation and libvirt do it: a mirror of the disk into an NBD server of the
 * destination's QEMU, over a link; once that keeps up, the guest's memory, which goes by a unix socket; with the guest
 * stopped, the mirror's end, and then the switch-over.
 */
export async function moveByQemu(vm: string, move: QemuMove): Promise<MovedByQemu> {
  const { from, to, way, over } = move;
  await makeTarget(join(to, `${vm}.qcow2`), move);
  const child = startQemu(vm, to, ['-incoming', 'defer']);
  const nbd = join(to, `${vm}.nbd`);
  const link = await openLink({ ...way, to: { path: nbd } });
  const monitors: Qmp[] = [];
  try {
    for (const folder of [from, to]) monitors.push(await connectMonitor(agentMonitorOf(vm, folder)));
    const [source, destination] = monitors as [Qmp, Qmp];
    const uri = `unix:${join(to, `${vm}.ram`)}`;
    await receive(destination, { nbd, uri });
    await mirror(source, link.port, over === undefined ? 'full' : 'top');
    const ram = { uri, maxDowntimeMs: limits.downtime_ms_default, clock: systemClock };
    const leaving = await RamMigration.begin(source, ram, never);
    await leaving.stopped(never);
    await endMirror(source);
    // The guest may not begin to write while somebody else still may.
    await destination.execute('nbd-server-stop');
    await leaving.goOn();
    return { linkBytes: link.bytes, process: child };
  } catch (error) {
    await killGuest(child);
    throw error;
  } finally {
    for (const qmp of monitors) qmp.close();
    await link.close();
  }
}

async function makeTarget(path: string, { bytes, over }: QemuMove): Promise<void> {
  const backing = over === undefined ? [] : ['-b', over, '-F', 'qcow2'];
  await qemuImg('create', '-q', '-f', 'qcow2', ...backing, path, String(bytes));
}

/** The destination takes the disk at a socket, and then the memory at a URI. */
async function receive(destination: Qmp, { nbd, uri }: { nbd: string; uri: string }): Promise<void> {
  const address = { type: 'unix', data: { path: nbd } };
  await destination.execute('nbd-server-start', { addr: address, 'max-connections': 0 });
  const disk = { type: 'nbd', id: NAME, name: NAME, 'node-name': 'disk0', writable: true };
  await destination.execute('block-export-add', disk);
  const capabilities = ['events', 'pause-before-switchover'].map((capability) => ({ capability, state: true }));
  await destination.execute('migrate-set-capabilities', { capabilities });
  await destination.execute('migrate-incoming', { uri });
}

/** Resolves when the other side has all, and from then on gets what the guest writes. */
async function mirror(source: Qmp, port: number, sync: 'full' | 'top'): Promise<void> {
  const server = { type: 'inet', host: '127.0.0.1', port: String(port) };
  // Zeros are written as such, and not at all where there is nothing yet.
  const target = { driver: 'nbd', 'node-name': NAME, server, export: NAME, discard: 'unmap', 'detect-zeroes': 'unmap' };
  await source.execute('blockdev-add', target);
  const ready = source.waitFor('BLOCK_JOB_READY', ({ data }) => data.device === JOB, never);
  const how = { sync, 'copy-mode': 'background', 'on-source-error': 'stop', 'on-target-error': 'stop' };
  await source.execute('blockdev-mirror', { 'job-id': JOB, device: 'disk0', target: NAME, ...how });
  await ready;
}

/** The guest is stopped: what it wrote last goes, too. */
async function endMirror(source: Qmp): Promise<void> {
  const ended = source.waitFor('BLOCK_JOB_COMPLETED', ({ data }) => data.device === JOB, never);
  await source.execute('block-job-cancel', { device: JOB, force: false });
  const { data } = await ended;
  if (data.error !== undefined || data.len !== data.offset)
    throw new Error(`the mirror failed: ${JSON.stringify(data)}`);
  await source.execute('blockdev-del', { 'node-name': NAME });
}
