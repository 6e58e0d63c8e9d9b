import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../../../adapters/system/clock.ts';
import { unixSocket } from '../../../adapters/system/unix-socket.ts';
import { connectQmp, type Qmp } from '../../../agent/qemu/qmp.ts';
import { findProgram } from '../../../bin/demo/live/needs.ts';
import { acksIn } from '../../live/guest/guest.ts';
import { imagesOf } from './disks.ts';

export type Site = 'a' | 'b';
/** Which of QEMU's loops a disk's device runs in. */
export type Loop = 'main' | 'iothread';

const QEMU = findProgram('qemu-system-x86_64') ?? 'qemu-system-x86_64';
const LOOK_MS = 50;
/** A process that was killed is no more by then. */
const GONE_MS = 10_000;

/** The QEMUs of a world's guests at both sites: those that the test starts, and those that the agent of b does. */
export class Guests {
  readonly #folder: string;
  readonly #loops: readonly Loop[];

  /** `loops`: of each guest's disks, one or two, at both sites. */
  constructor(folder: string, loops: readonly Loop[]) {
    this.#folder = folder;
    this.#loops = loops;
  }

  /** What a launcher file says: `{name}` and the like are the agent's to fill in. */
  launcher(): object {
    const several = this.#loops.length > 1;
    const tops = this.#loops.map((_, at) => (several ? `{disk/${nodeOf(at)}:ud}` : '{disk:ud}'));
    const words = this.#words('b', '{name}', tops);
    return { command: [QEMU, ...words, '-qmp', 'unix:{qmp},server=on,wait=off', ['-incoming', '{incoming}']] };
  }

  /** The top images of a VM at a site, disk after disk. */
  tops(site: Site, vm: string): string[] {
    return imagesOf(vm, this.#loops.length).map((name) => path.join(this.#folder, site, name));
  }

  /** Starts a guest on its disks; the agent's way to its monitor is `qmpOf`. */
  async start(site: Site, vm: string): Promise<void> {
    const words = this.#words(site, vm, this.tops(site, vm));
    const argv = words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word)));
    const monitor = ['-qmp', `unix:${this.qmpOf(vm)},server=on,wait=off`];
    const child = spawn(QEMU, [...argv, ...monitor], { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
    await once(child, 'spawn');
    child.unref();
  }

  qmpOf(vm: string): string {
    return this.#path('a', vm, 'qmp');
  }

  /** Process ids of a VM's QEMUs at a site. */
  async pids(site: Site, vm: string): Promise<number[]> {
    const serial = `path=${this.#path(site, vm, 'serial')},`;
    const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const lines = await Promise.all(all.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')));
    return all.filter((_, at) => lines[at]!.includes(serial)).map(Number);
  }

  /** Ends a VM's QEMU at a site as a power cut would; answers whether there was one. */
  async kill(site: Site, vm: string): Promise<boolean> {
    const found = await this.pids(site, vm);
    for (const pid of found) process.kill(pid, 'SIGKILL');
    for (let ms = 0; ms < GONE_MS && (await this.pids(site, vm)).length > 0; ms += LOOK_MS)
      await systemClock.sleep(LOOK_MS);
    return found.length > 0;
  }

  /** Uses a monitor that is the test's own; undefined if nobody answers there. */
  async ask<T>(site: Site, vm: string, use: (qmp: Qmp) => Promise<T>): Promise<T | undefined> {
    const socket = this.#path(site, vm, 'own');
    if (!existsSync(socket)) return undefined;
    const signal = AbortSignal.timeout(GONE_MS);
    const qmp = await connectQmp(unixSocket(socket), { clock: systemClock, signal }).catch(() => undefined);
    try {
      return qmp && (await use(qmp));
    } finally {
      qmp?.close();
    }
  }

  /** What a VM has acknowledged, at a first, at b then. */
  async acks(vm: string): Promise<number[]> {
    const said = (['a', 'b'] as const).map((site) =>
      readFile(this.#path(site, vm, 'serial'), 'latin1').catch(() => ''),
    );
    return acksIn((await Promise.all(said)).join(''));
  }

  /** Answers whether a VM acknowledges more within so long. */
  async goesOn(vm: string, withinMs: number, more = 5): Promise<boolean> {
    const before = (await this.acks(vm)).length;
    for (let ms = 0; ms < withinMs; ms += LOOK_MS) {
      if ((await this.acks(vm)).length >= before + more) return true;
      await systemClock.sleep(LOOK_MS);
    }
    return false;
  }

  #path(site: Site, vm: string, what: string): string {
    return path.join(this.#folder, `${site}-${vm}.${what}`);
  }

  #words(site: Site, vm: string, tops: readonly string[]): (string | object)[] {
    return [
      ...['-name', vm, '-machine', 'q35,accel=tcg', '-m', '32', '-nodefaults', '-display', 'none'],
      ...['-chardev', `file,id=serial,path=${this.#path(site, vm, 'serial')},append=on`, '-serial', 'chardev:serial'],
      ...['-qmp', `unix:${this.#path(site, vm, 'own')},server=on,wait=off`],
      ...this.#loops.flatMap((loop, at) => diskWords(at, loop, tops[at]!)),
    ];
  }
}

/** What QEMU calls a disk's top node. */
export function nodeOf(at: number): string {
  return `disk${at}`;
}

/**
 * Each write is in the image before the guest hears of it, whenever its QEMU is killed: its disk has no cache. What the
 * image's file system would lose with the machine is not what is tried here, and waiting for that is slow.
 */
function diskWords(at: number, loop: Loop, filename: string): (string | object)[] {
  const file = { driver: 'file', filename, cache: { 'no-flush': true } };
  const device = `virtio-blk-pci,id=vd${at},drive=${nodeOf(at)},bootindex=${at},write-cache=off`;
  return [
    ...['-blockdev', { driver: 'qcow2', 'node-name': nodeOf(at), file }],
    ...(loop === 'iothread' ? ['-object', `iothread,id=io${at}`, '-device', `${device},iothread=io${at}`] : []),
    ...(loop === 'main' ? ['-device', device] : []),
  ];
}
