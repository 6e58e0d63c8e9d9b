import { basename, extname } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { vmName } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { type FileIdentity, identityOf, sameFile } from '../catalog/identity.ts';
import { findImages } from './find.ts';
import type { RunningVms } from './running-vms.ts';
import { usedBy } from './used-by.ts';
import type { VmDisk, VmFiles, VmImage } from './vm-files.ts';

interface Seen {
  readonly identity: FileIdentity | undefined;
  /** What it is based on, and what has its data. */
  readonly uses: readonly string[];
}

/**
 * The VMs of a host: those the operator named; or else the images in its folder that no other one uses, each a VM
 * named by its file's stem. VMs that arrived here go by the name they came with.
 */
export class ImageFolder {
  readonly path: string;
  readonly files: Files;
  readonly #named: Readonly<Record<string, string>> | undefined;
  readonly #arrived: VmFiles;
  readonly #running: Pick<RunningVms, 'all'> | undefined;
  readonly #notVms: () => ReadonlySet<string>;
  #seen: ReadonlyMap<string, Seen> = new Map();

  /** `path` is absolute, links resolved. `notVms` tells files that are known bases, used or not, or on their way here. */
  constructor(
    path: string,
    options: {
      named?: Readonly<Record<string, string>>;
      arrived: VmFiles;
      running?: Pick<RunningVms, 'all'>;
      notVms(): ReadonlySet<string>;
    },
    files: Files = systemFiles,
  ) {
    this.path = path;
    this.files = files;
    this.#named = options.named;
    this.#arrived = options.arrived;
    this.#running = options.running;
    this.#notVms = options.notVms;
  }

  /** VMs in order of their names, `limits.vms_per_host_max` at the most. Errors: those of findImages. */
  async vms(): Promise<VmImage[]> {
    const images = this.#named === undefined ? await this.#look() : undefined;
    const running = (await this.#running?.all()) ?? [];
    // From here on nothing is awaited: what arrives meanwhile is seen either on its way or where it has arrived.
    const arrived = this.#arrived.all().filter((vm) => vm.disks.every(({ top }) => this.files.exists(top)));
    const known = withRunning(arrived, running);
    const own =
      images === undefined
        ? named(this.#named!, known)
        : discover(images, known, new Set([...this.#notVms(), ...topsOf(this.#arrived.all())]));
    return [...own, ...known].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, limits.vms_per_host_max);
  }

  /** Errors: VM_UNKNOWN. */
  async find(name: string): Promise<VmImage> {
    const vm = (await this.vms()).find((each) => each.name === name);
    if (vm !== undefined) return vm;
    throw new LayerMoverError('VM_UNKNOWN', `there is no VM ${name} in ${this.path}`, {
      hint: 'a VM is called as its top image without the ending, and no two may share a name; or name it: --vm NAME=FILE',
      data: { vm: name, folder: this.path },
    });
  }

  /**
   * The VM that has its disk in a file for certain: it arrived with it, runs on it, or the operator named it. An image that is
   * taken for a VM because nobody is based on it may be a base layer as well.
   */
  async ownerOf(path: string): Promise<VmImage | undefined> {
    const known = withRunning(this.#arrived.all(), (await this.#running?.all()) ?? []);
    const own = this.#named === undefined ? [] : named(this.#named, known);
    return [...own, ...known].find(({ disks }) => disks.some(({ top }) => top === path));
  }

  /** True if another image in the folder names this one. Errors: those of findImages. */
  async isUsed(path: string): Promise<boolean> {
    return [...(await this.#look()).values()].some(({ uses }) => uses.includes(path));
  }

  /** What is in the folder. An image is opened only if it has changed since it was last looked at. */
  async #look(): Promise<ReadonlyMap<string, Seen>> {
    const seen = new Map<string, Seen>();
    for (const path of await findImages(this.path, this.files)) {
      const identity = await identityOf(this.files, path);
      const known = this.#seen.get(path);
      const same = known !== undefined && sameFile(known.identity, identity);
      seen.set(path, same ? known : { identity, uses: await usedBy(this.files, path) });
    }
    this.#seen = seen;
    return seen;
  }
}

/** A VM whose QEMU is known has its newest disks where that has them; the kinds of their layers stay those they came with. */
function withRunning(arrived: readonly VmImage[], running: readonly VmImage[]): VmImage[] {
  const names = new Set(running.map((vm) => vm.name));
  const tops = new Set(topsOf(running));
  const others = arrived.filter((vm) => !names.has(vm.name) && !vm.disks.some(({ top }) => tops.has(top)));
  const came = new Map(arrived.flatMap((vm) => vm.disks.map((disk) => [disk.top, disk] as const)));
  const withKinds = (disk: VmDisk) => ({ ...disk, kinds: came.get(disk.top)?.kinds });
  return [...others, ...running.map((vm) => ({ ...vm, disks: vm.disks.map(withKinds) }))];
}

function topsOf(vms: readonly VmImage[]): string[] {
  return vms.flatMap((vm) => vm.disks.map(({ top }) => top));
}

/** Names that two images share, or that an arrived VM has, are left out: they would be ambiguous. */
function discover(
  images: ReadonlyMap<string, Seen>,
  arrived: readonly VmImage[],
  notVms: ReadonlySet<string>,
): VmImage[] {
  const taken = new Set([...notVms, ...topsOf(arrived)]);
  for (const { uses } of images.values()) for (const used of uses) taken.add(used);
  const tops = [...images.keys()].filter((path) => !taken.has(path));
  const count = new Map<string, number>(arrived.map((vm) => [vm.name, 1]));
  for (const top of tops) count.set(stem(top), (count.get(stem(top)) ?? 0) + 1);
  return tops
    .filter((top) => count.get(stem(top)) === 1 && vmName.safeParse(stem(top)).success)
    .map((top) => ({ name: stem(top), disks: [{ top }] }));
}

/** A VM that came back has its newest disks where it arrived, not where the operator once said. */
function named(vms: Readonly<Record<string, string>>, arrived: readonly VmImage[]): VmImage[] {
  const back = new Set(arrived.map((vm) => vm.name));
  return Object.entries(vms).flatMap(([name, top]) => (back.has(name) ? [] : [{ name, disks: [{ top }] }]));
}

function stem(path: string): string {
  return basename(path, extname(path));
}
