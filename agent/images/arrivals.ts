import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { systemFiles } from '../../adapters/system/files.ts';
import { count, diskName, migrationId, vmName } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { type Catalog, knownLayer } from '../catalog/catalog.ts';
import { identityOf } from '../catalog/identity.ts';
import { RecordFolder } from '../catalog/record-folder.ts';
import { PARTIAL } from './find.ts';
import { arrivalNames } from './names.ts';
import type { ArrivedDisk, VmFiles } from './vm-files.ts';

/** What was read back of a file: all that the catalog keeps but where and how the file lies. */
const arrivedLayer = knownLayer.omit({ path: true, identity: true });
export type ArrivedLayer = z.infer<typeof arrivedLayer>;

/**
 * A file on its way into the image folder, from the reservation of its name until it has that name. `arriving`: it is
 * incomplete and nobody relies on it. With `layer`, it is complete, on disk and read back.
 */
const arrival = z.object({
  /** The name it will have. */
  path: z.string(),
  migration: migrationId,
  /** Set if it has that name from the start: a QEMU that waits for its guest has it open. This record alone marks it as incomplete. */
  live: z.literal(true).exactOptional(),
  /**
   * For a top layer: its VM, the kinds of the whole chain, and, if the VM has several disks, which one it is and how many there
   * are. It gets its name once the VM is committed.
   */
  vm: z
    .object({
      name: vmName,
      kinds: z.array(knownLayer.shape.kind),
      disk: diskName.optional(),
      disks: count.optional(),
    })
    .optional(),
  layer: arrivedLayer.optional(),
});
export type Arrival = z.infer<typeof arrival>;
export type Arrived = Arrival & { readonly layer: ArrivedLayer };

/** A VM's own disk that has arrived. */
export type ArrivedTop = Arrived & { readonly vm: NonNullable<Arrival['vm']> };

/** A VM all of whose disks have arrived before it was known to be committed. */
export interface Waiting {
  readonly migration: string;
  readonly name: string;
  /** A QEMU has the files open. */
  readonly isLive: boolean;
  /** One at least. */
  readonly disks: readonly ArrivedTop[];
}

/** Where the file is until it is placed. */
export function partialPath(arrival: Arrival): string {
  return arrival.live === true ? arrival.path : arrival.path + PARTIAL;
}

/**
 * The journal of what arrives. A record is durable before its file exists and goes after the file has its name, so
 * after a crash everything is either removed or completed. No half VM has its final name, but for a live one's disk: that
 * nobody takes for a VM as long as its record is here.
 */
export class Arrivals {
  readonly #files: Files;
  readonly #folder: string;
  readonly #records: RecordFolder<Arrival>;
  readonly #catalog: Catalog;
  readonly #vms: VmFiles;
  readonly #reserved: Set<string>;

  private constructor(files: Files, folder: string, records: RecordFolder<Arrival>, catalog: Catalog, vms: VmFiles) {
    this.#files = files;
    this.#folder = folder;
    this.#records = records;
    this.#catalog = catalog;
    this.#vms = vms;
    this.#reserved = new Set(records.all().map(([, { path }]) => path));
  }

  /** Opens the journal and ends what the last run left: incomplete files go, and those of VMs of which a disk is missing. */
  static async open(
    folder: string,
    into: { imageFolder: string; catalog: Catalog; vms: VmFiles },
    files: Files = systemFiles,
  ): Promise<Arrivals> {
    const records = await RecordFolder.open(files, folder, arrival);
    const arrivals = new Arrivals(files, into.imageFolder, records, into.catalog, into.vms);
    const whole = new Set(arrivals.waiting().flatMap(({ disks }) => disks.map(({ path }) => path)));
    for (const [, each] of records.all()) {
      if (!hasArrived(each)) await arrivals.drop(each);
      else if (!isTop(each)) continue;
      else if (into.vms.has({ ...each, name: each.vm.name, top: each.path })) await arrivals.#forget(each);
      else if (!whole.has(each.path)) await arrivals.drop(each);
    }
    return arrivals;
  }

  /** Reserves a name that no file and no other arrival has. Errors: ARRIVAL_NAMES_TAKEN. */
  async reserve(name: string, migration: string, vm?: Arrival['vm'], how?: 'live'): Promise<Arrival> {
    for (const candidate of arrivalNames(name, migration)) {
      const path = join(this.#folder, candidate);
      if (this.#reserved.has(path) || this.#files.exists(path) || this.#files.exists(path + PARTIAL)) continue;
      this.#reserved.add(path);
      const live = how === undefined ? {} : { live: true as const };
      const reserved: Arrival = { path, migration, ...live, ...(vm === undefined ? {} : { vm }) };
      await this.#records.put(recordName(path), reserved).catch((error) => {
        this.#reserved.delete(path);
        throw error;
      });
      return reserved;
    }
    throw new LayerMoverError('ARRIVAL_NAMES_TAKEN', `every name for ${name} is taken in ${this.#folder}`, {
      hint: 'move older images out of the folder, then run the migration again',
      data: { name, folder: this.#folder },
    });
  }

  /** The file is complete, on disk and read back. */
  async arrived(reserved: Arrival, layer: ArrivedLayer): Promise<Arrived> {
    const arrived = { ...reserved, layer };
    await this.#files.syncFolder(this.#folder);
    await this.#records.put(recordName(reserved.path), arrived);
    return arrived;
  }

  /** VMs that have arrived whole, in no order; their disks by name. */
  waiting(): Waiting[] {
    const tops = this.#records.all().flatMap(([, each]) => (isTop(each) ? [each] : []));
    const vms = Map.groupBy(tops, ({ path, migration, vm }) =>
      vm.disks === undefined ? path : `${migration} ${vm.name}`,
    );
    return [...vms.values()].flatMap((disks) => {
      const [{ migration, vm, live }] = disks as [ArrivedTop];
      if (disks.length !== (vm.disks ?? 1)) return [];
      return { migration, name: vm.name, isLive: live === true, disks: disks.sort(byDisk) };
    });
  }

  /** Base layers that have arrived, and are not known to the catalog: they may have their names. A crash or a full disk came between. */
  unplaced(): Arrived[] {
    return this.#records.all().flatMap(([, each]) => (hasArrived(each) && each.vm === undefined ? [each] : []));
  }

  /** The names of everything that is on its way. */
  paths(): ReadonlySet<string> {
    return this.#reserved;
  }

  /** Gives a base layer's file its name and makes it known to the catalog. May be repeated. */
  async place(base: Arrived): Promise<void> {
    const { path, layer } = base;
    await this.#rename(base);
    const identity = await identityOf(this.#files, path);
    if (identity !== undefined) await this.#catalog.put({ ...layer, path, identity });
    await this.#forget(base);
  }

  /** Gives a VM's files their names and notes it as this host's. May be repeated. */
  async placeVm({ name, migration, disks }: Waiting): Promise<void> {
    for (const each of disks) await this.#rename(each);
    await this.#vms.put({ name, disks: disks.map(diskOf) }, migration);
    for (const each of disks) await this.#forget(each);
  }

  /** Removes a VM's files and frees their names. */
  async dropVm({ disks }: Pick<Waiting, 'disks'>): Promise<void> {
    for (const each of disks) await this.drop(each);
  }

  /** Removes the file and frees its name. */
  async drop(arrival: Arrival): Promise<void> {
    await this.#files.remove(partialPath(arrival));
    await this.#files.syncFolder(dirname(arrival.path));
    await this.#forget(arrival);
  }

  async #rename(arrived: Arrived): Promise<void> {
    const { path } = arrived;
    const from = partialPath(arrived);
    if (from !== path && this.#files.exists(from)) await this.#files.rename(from, path);
    // An earlier run may have renamed it and died before the name was on disk.
    await this.#files.syncFolder(dirname(path));
  }

  async #forget({ path }: Arrival): Promise<void> {
    await this.#records.remove(recordName(path));
    this.#reserved.delete(path);
  }
}

function hasArrived(arrival: Arrival): arrival is Arrived {
  return arrival.layer !== undefined;
}

function isTop(arrival: Arrival): arrival is ArrivedTop {
  return hasArrived(arrival) && arrival.vm !== undefined;
}

function byDisk(a: ArrivedTop, b: ArrivedTop): number {
  return (a.vm.disk ?? '') < (b.vm.disk ?? '') ? -1 : 1;
}

function diskOf({ path, vm: { disk, kinds } }: ArrivedTop): ArrivedDisk {
  return { top: path, kinds, ...(disk === undefined ? {} : { disk }) };
}

/** What a record about the file at `path`, which lies in the image folder itself, is called. */
export function recordName(path: string): string {
  return toHex(sha256(Buffer.from(basename(path)))).slice(0, 32);
}
