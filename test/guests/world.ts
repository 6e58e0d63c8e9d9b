import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ApiClient } from '../../adapters/api/client.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { connect } from '../../bin/connection.ts';
import { makeDisks } from '../../bin/demo/live/disks.ts';
import { killLaunched } from '../../bin/demo/live/guests.ts';
import { type Linux, linuxArguments, makeLinux } from '../../bin/demo/live/linux.ts';
import { assertTools, findProgram } from '../../bin/demo/live/needs.ts';
import { say } from '../../bin/demo/live/serial.ts';
import { machineFiles } from '../../bin/demo/machine-files.ts';
import { startService } from '../../bin/demo/process.ts';
import { workOf } from './workload.ts';

const MiB = 1024 * 1024;
export const VM = 'db-1';
export type Site = 'a' | 'b';
/** Its disks, as its QEMU at a calls their nodes. */
export const DISKS = ['base', 'log'] as const;
type Tops = Readonly<Record<(typeof DISKS)[number], string>>;
const LOOK_MS = 50;
const SAYS_WITHIN_MS = 120_000;

/** A cloud, an agent at each of two sites, and one guest of two disks that goes to and fro between them. */
export class World {
  readonly work: string;
  readonly client: ApiClient;
  readonly #ends: (() => Promise<unknown>)[];
  /** What it has said at each host that it was at, and where the files of its disks are now. */
  readonly #serials: string[];
  tops: Tops;
  site: Site = 'a';

  private constructor(work: string, client: ApiClient, ends: (() => Promise<unknown>)[], tops: Tops) {
    this.work = work;
    this.client = client;
    this.tops = tops;
    this.#ends = ends;
    this.#serials = [path.join(work, 'qmp', `${VM}.qmp.serial`)];
  }

  /** Errors: TOOLS_MISSING and those of services. */
  static async start(seed: number): Promise<World> {
    assertTools();
    // Its sockets' paths must be short.
    const work = await mkdtemp(path.join(os.tmpdir(), 'lm-'));
    const ends: (() => Promise<unknown>)[] = [() => rm(work, { recursive: true, force: true })];
    try {
      for (const folder of ['a', 'b', 'qmp']) await mkdir(path.join(work, folder));
      const linux = await makeLinux(work, workOf(seed));
      const own = DISKS.map((disk) => `${VM}-${disk}`);
      const contents = { os: machineFiles(['/usr/bin'], 8 * MiB), we: machineFiles(['/usr/share'], 4 * MiB) };
      const tops = await makeDisks(path.join(work, 'a'), own, { ...contents, bytes: 64 * MiB });
      const [base, log] = own.map((name) => tops[name]!) as [string, string];
      ends.unshift(startGuest(linux, path.join(work, 'qmp', `${VM}.qmp`), { base, log }));
      const client = await startServices(work, linux, ends);
      return new World(work, client, ends, { base, log });
    } catch (error) {
      for (const end of ends) await end();
      throw error;
    }
  }

  /** The guest has come to the other site: `qmp` is its QEMU's socket there. */
  arrived(site: Site, tops: Tops, qmp: string): void {
    this.site = site;
    this.tops = tops;
    this.#serials.push(`${qmp}.serial`);
  }

  /** A word may begin at one host and end at the other: all is read as one text. */
  async said(): Promise<string> {
    return (await Promise.all(this.#serials.map((serial) => readFile(serial, 'latin1').catch(() => '')))).join('');
  }

  /** Tells the guest something, and waits until it has said `answer`, so often in all. */
  async tell(word: string, answer: RegExp): Promise<void> {
    const before = [...(await this.said()).matchAll(answer)].length;
    const connection = await say(this.#serials.at(-1)!, word);
    try {
      await this.until((said) => [...said.matchAll(answer)].length > before);
    } finally {
      connection.destroy();
    }
  }

  async until(isSo: (said: string) => boolean): Promise<void> {
    for (let ms = 0; ms < SAYS_WITHIN_MS; ms += LOOK_MS) {
      if (isSo(await this.said())) return;
      await systemClock.sleep(LOOK_MS);
    }
    throw new Error(`the guest does not say what it should; at last: ${(await this.said()).slice(-300)}`);
  }

  async end(): Promise<void> {
    for (const end of this.#ends) await end();
  }
}

/** Both disks and their devices; `of` gives paths, or placeholders. The nodes have names of their own at each host. */
function disksOf(of: (disk: string) => string, prefix = ''): (string | object)[] {
  return DISKS.toReversed().flatMap((disk) => {
    const file = { driver: 'file', filename: of(disk) };
    const node = { driver: 'qcow2', 'node-name': `${prefix}${disk}`, file };
    return ['-blockdev', node, '-device', `virtio-blk-pci,id=vd-${disk},drive=${prefix}${disk}`];
  });
}

function startGuest(linux: Linux, qmp: string, tops: Tops): () => Promise<void> {
  const disks = disksOf((disk) => tops[disk as keyof Tops]);
  const words = [...linuxArguments(linux, `${qmp}.serial`), '-qmp', `unix:${qmp},server=on,wait=off`, '-name', VM];
  const argv = [...words, ...disks].map((word) => (typeof word === 'string' ? word : JSON.stringify(word)));
  const child = spawn(findProgram('qemu-system-x86_64')!, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  return async () => {
    child.kill('SIGKILL');
    await ended;
  };
}

async function startServices(work: string, linux: Linux, ends: (() => Promise<unknown>)[]): Promise<ApiClient> {
  const service = async (name: string, words: readonly string[]) => {
    const started = await startService(words, path.join(work, `${name}.log`));
    ends.unshift(() => started.stop());
    return started;
  };
  const launcher = path.join(work, 'launcher.json');
  const words = linuxArguments(linux, '{qmp}.serial');
  const monitor = ['-qmp', 'unix:{qmp},server=on,wait=off', ['-incoming', '{incoming}']];
  const disks = disksOf((disk) => `{disk/${disk}}`, 'at-');
  const command = [findProgram('qemu-system-x86_64')!, ...words, ...monitor, ...disks, '-name', '{name}'];
  await writeFile(launcher, JSON.stringify({ command }));
  const cloud = await service('cloud', ['cloud', 'start', '--data', path.join(work, 'cloud')]);
  const cloudFile = String(cloud.ready.cloud_file);
  for (const site of ['a', 'b']) {
    const state = path.join(work, `${site}-state`);
    ends.unshift(() => killLaunched(state));
    const place = ['--site', site, '--host', 'h1', '--images', path.join(work, site), '--state', state];
    const takes = ['--launcher', launcher, '--migration-address', 'unix'];
    const found = site === 'a' ? ['--qmp-dir', path.join(work, 'qmp')] : [];
    await service(site, ['agent', ...place, ...takes, ...found, '--cloud', cloudFile]);
  }
  return connect(cloudFile);
}
