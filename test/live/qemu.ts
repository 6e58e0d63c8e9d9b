import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { connectQmp, type Qmp } from '../../agent/qemu/qmp.ts';
import { qemuImg, qemuIo } from '../disk/qemu.ts';
import { noise } from '../disk/support.ts';
import { GUEST_DISK_BYTES, guestSector } from './guest/guest.ts';

const NEEDED = ['qemu-system-x86_64', 'qemu-img', 'qemu-io', 'qemu-nbd'];

/** Tests that run a guest; left out, and said so, where QEMU is missing, but never in CI. */
export function describeWithGuest(name: string, body: () => void): void {
  const missing = NEEDED.filter((program) => !answers(program));
  const skip = missing.length > 0 && process.env.CI === undefined;
  if (skip) process.stderr.write(`skipped, ${missing.join(' and ')} not installed: ${name}\n`);
  describe.skipIf(skip)(name, body);
}

function answers(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface Guest {
  readonly process: ChildProcess;
  readonly socket: string;
  /** A connection of the test's own: a second monitor. */
  readonly qmp: Qmp;
  readonly top: string;
  /** How many writes QEMU has done for the guest. */
  writes(): Promise<number>;
  /** Waits until the guest has written so often again. */
  written(times: number): Promise<void>;
  end(): Promise<void>;
}

/** Makes base.qcow2 with the counting guest and some data, env.qcow2 over it with some, and top.qcow2 over that. */
export async function makeChain(folder: string): Promise<string> {
  const [base, env, top] = ['base.qcow2', 'env.qcow2', 'top.qcow2'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const boot = join(folder, 'boot.bin');
  writeFileSync(boot, guestSector({ quiet: true }));
  await qemuImg('create', '-q', '-f', 'qcow2', base, String(GUEST_DISK_BYTES));
  await qemuIo(base, 'write -P 0x11 16M 4M', `write -s ${boot} 0 512`);
  await qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', env);
  await qemuIo(env, 'write -P 0x22 20M 2M');
  await qemuImg('create', '-q', '-f', 'qcow2', '-b', env, '-F', 'qcow2', top);
  const content = join(folder, 'content.bin');
  writeFileSync(content, noise(3 * 1024 * 1024, 7));
  await qemuIo(top, `write -s ${content} 24M 3M`, 'write -z 17M 128k');
  return top;
}

/** Devices of the disk: as it is unless said otherwise, and one that runs in an iothread. */
export const PLAIN_DEVICE = ['-device', 'virtio-blk-pci,id=vd0,drive=disk0,bootindex=0'];
export const IOTHREAD_DEVICE = [
  ...['-object', 'iothread,id=io0', '-device', 'virtio-blk-pci,id=vd0,drive=disk0,bootindex=0,iothread=io0'],
];
export const IOTHREAD_SCSI_DEVICE = [
  ...['-object', 'iothread,id=io0', '-device', 'virtio-scsi-pci,id=s0,iothread=io0'],
  ...['-device', 'scsi-hd,id=sd0,drive=disk0,bus=s0.0,bootindex=0'],
];

/** Starts a QEMU on a chain; its top node is called disk0. */
export async function startGuest(
  folder: string,
  top: string,
  options: { device?: readonly string[]; args?: readonly string[] } = {},
): Promise<Guest> {
  const socket = join(folder, 'qmp.sock');
  const own = join(folder, 'test.sock');
  const disk = {
    driver: 'qcow2',
    'node-name': 'disk0',
    discard: 'unmap',
    file: { driver: 'file', filename: top, discard: 'unmap' },
  };
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...['-machine', 'q35,accel=tcg', '-m', '64', '-nodefaults', '-display', 'none'],
      ...['-qmp', `unix:${socket},server=on,wait=off`, '-qmp', `unix:${own},server=on,wait=off`],
      ...['-blockdev', JSON.stringify(disk)],
      ...(options.device ?? PLAIN_DEVICE),
      ...(options.args ?? []),
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const ended = once(child, 'exit');
  const qmp = await connectQmp(unixSocket(own), { clock: systemClock, signal: new AbortController().signal });
  const writes = async () => {
    const stats = (await qmp.execute('query-blockstats')) as { qdev?: string; stats: { wr_operations: number } }[];
    return stats.find((each) => each.qdev !== undefined)!.stats.wr_operations;
  };
  return {
    process: child,
    socket,
    qmp,
    top,
    writes,
    async written(times) {
      const before = await writes();
      while ((await writes()) < before + times) await systemClock.sleep(10);
    },
    async end() {
      qmp.close();
      child.kill('SIGKILL');
      await ended;
    },
  };
}
