import { basename, extname, join } from 'node:path';
import * as z from 'zod';
import { withDeadline } from '../../adapters/deadline.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { diskName, vmName } from '../../core/api/names.ts';
import { errorToJson, LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import { type FileIdentity, identityOf, sameFile } from '../catalog/identity.ts';
import type { Log } from '../daemon/log.ts';
import { inOrder } from '../flow/in-order.ts';
import { named } from '../images/running-vms.ts';
import type { VmImage } from '../images/vm-files.ts';
import { ask } from '../qemu/ask.ts';
import { disksOf } from '../qemu/disks.ts';
import { isBlocksPath } from '../qemu/exports.ts';
import { connectQmp, type Qmp } from '../qemu/qmp.ts';
import { examine } from './examine.ts';

export interface FoundVmsOptions {
  /** Where the sockets lie. Absolute. */
  readonly folder: string;
  /** Where the VMs’ images lie; links resolved. */
  readonly images: { readonly path: string; readonly files: Files };
  readonly clock: Clock;
  readonly log: Log;
}

interface Seen {
  readonly identity: FileIdentity;
  /** Undefined if it was refused. */
  readonly vm: VmImage | undefined;
  readonly atMs: number;
}

/**
 * The VMs whose QMP sockets lie in a folder. A QEMU is asked once for each socket, for its monitor takes one connection at a
 * time; a socket that is gone is a VM that no longer runs. Whatever is no VM that could be migrated is left out, and told of.
 */
export class FoundVms {
  readonly #options: FoundVmsOptions;
  #seen = new Map<string, Seen>();
  #looking: Promise<void> | undefined;
  #hasLooked = false;

  constructor(options: FoundVmsOptions) {
    this.#options = options;
  }

  /**
   * In order of their sockets' names; `limits.vms_per_host_max` at the most. A folder that is not there has none. Nobody waits
   * for a socket that does not answer but the first time: what was found before is told, and what is new the next time.
   */
  async all(): Promise<VmImage[]> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    if (!this.#hasLooked) await this.#looking;
    const { files } = this.#options.images;
    const vms = [...this.#seen].flatMap(([path, { vm }]) => (vm !== undefined && files.exists(path) ? [vm] : []));
    return vms.filter(({ name }) => vms.filter((other) => other.name === name).length === 1);
  }

  async #look(): Promise<void> {
    const seen = new Map<string, Seen>();
    const looks = inOrder(await this.#sockets(), limits.qmp_sockets_at_once, (path) => this.#see(path));
    for await (const [path, each] of looks) if (each !== undefined) seen.set(path, each);
    this.#seen = seen;
    this.#hasLooked = true;
  }

  async #sockets(): Promise<string[]> {
    const { folder, images } = this.#options;
    const entries = await images.files.list(folder).catch(() => []);
    const sockets = entries.filter(({ kind, name }) => kind === 'other' && !isBlocksPath(name));
    const paths = sockets.map(({ name }) => join(folder, name)).sort();
    return paths.slice(0, limits.vms_per_host_max);
  }

  async #see(path: string): Promise<[string, Seen | undefined]> {
    const { images, clock } = this.#options;
    const identity = await identityOf(images.files, path);
    if (identity === undefined) return [path, undefined];
    const known = this.#seen.get(path);
    const isSame = known !== undefined && sameFile(known.identity, identity);
    const isOld = known?.vm === undefined && clock.nowMs() - (known?.atMs ?? 0) >= limits.qmp_refused_again_ms;
    if (isSame && !isOld) return [path, known];
    const told = isSame ? undefined : path;
    return [path, { identity, vm: await this.#ask(path, told), atMs: clock.nowMs() }];
  }

  /** Undefined, and told of the first time, if it is no VM that could be migrated. */
  async #ask(path: string, tell: string | undefined): Promise<VmImage | undefined> {
    const { images, clock, log } = this.#options;
    const late = () => new LayerMoverError('QMP_TIMEOUT', `it did not answer within ${limits.qmp_connect_ms} ms`);
    try {
      return await withDeadline(
        async (signal) => {
          const qmp = await connectQmp(unixSocket(path), { clock, signal });
          try {
            return await vmOf(qmp, path, images, signal);
          } finally {
            qmp.close();
          }
        },
        { clock, ms: 2 * limits.qmp_connect_ms, late },
      );
    } catch (error) {
      if (tell !== undefined) log.warn({ socket: path, error: errorToJson(error) }, 'no VM that could be migrated');
      return undefined;
    }
  }
}

/** What was told counts more than what was found: neither a name nor a disk is of two VMs. */
export function withFound(told: readonly VmImage[], found: readonly VmImage[]): VmImage[] {
  const names = new Set(told.map(({ name }) => name));
  const tops = new Set(told.flatMap(({ disks }) => disks.map(({ top }) => top)));
  const others = found.filter(({ name, disks }) => !names.has(name) && !disks.some(({ top }) => tops.has(top)));
  return [...told, ...others];
}

const queryName = z.looseObject({ name: z.string().optional() });

/** The VM behind a monitor, as its QEMU tells of it. Errors: VM_NAME_REFUSED, VM_DISK_OTHER and those of examine. */
async function vmOf(qmp: Qmp, path: string, images: FoundVmsOptions['images'], signal: AbortSignal): Promise<VmImage> {
  const { name: own } = await ask(qmp, queryName, 'query-name', {}, { signal });
  const name = own ?? basename(path, extname(path));
  if (!vmName.safeParse(name).success) throw nameRefused(name);
  const writable = (await disksOf(qmp, signal)).filter(({ isReadOnly }) => !isReadOnly);
  const disks = [];
  for (const { node, files } of writable) {
    // A QEMU that was told of no name has one like #block123, which is another one the next time.
    if (!diskName.safeParse(node).success) throw nameRefused(node);
    disks.push({ node, top: await images.files.resolve(files[0] ?? '') });
  }
  if (disks.length === 0 || disks.length > limits.vm_disks_max) throw noDisks(name, disks.length);
  const vm = { name, qmp: path, disks: named(disks) };
  await examine(qmp, vm, images, signal, async () => undefined);
  return vm;
}

function nameRefused(name: string): LayerMoverError {
  return new LayerMoverError('VM_NAME_REFUSED', 'a VM or a disk is called by no name that it can go by', {
    hint: 'letters, digits, dot, dash and underscore: -name, or the name of the socket; node-name for each disk',
    data: { name },
  });
}

function noDisks(vm: string, disks: number): LayerMoverError {
  return new LayerMoverError('VM_DISK_OTHER', `${vm} has ${disks} disks that it may write to`, {
    hint: `one at least, ${limits.vm_disks_max} at the most`,
    data: { vm },
  });
}
