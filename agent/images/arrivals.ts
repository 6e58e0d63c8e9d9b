import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { systemFiles } from '../../adapters/system/files.ts';
import { migrationId, vmName } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { type Catalog, knownLayer } from '../catalog/catalog.ts';
import { identityOf } from '../catalog/identity.ts';
import { RecordFolder } from '../catalog/record-folder.ts';
import { PARTIAL } from './find.ts';
import { arrivalNames } from './names.ts';
import type { VmFiles } from './vm-files.ts';

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
  /** For a top layer: its VM and the kinds of the whole chain. It gets its name once the VM is committed. */
  vm: z.object({ name: vmName, kinds: z.array(knownLayer.shape.kind) }).optional(),
  layer: arrivedLayer.optional(),
});
export type Arrival = z.infer<typeof arrival>;
export type Arrived = Arrival & { readonly layer: ArrivedLayer };

/** A VM's own disk that has arrived before its VM was known to be committed. */
export type Waiting = Arrived & { readonly vm: NonNullable<Arrival['vm']> };

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

  /** Opens the journal and ends what the last run left: incomplete files go, complete base layers get their names. */
  static async open(
    folder: string,
    into: { imageFolder: string; catalog: Catalog; vms: VmFiles },
    files: Files = systemFiles,
  ): Promise<Arrivals> {
    const records = await RecordFolder.open(files, folder, arrival);
    const arrivals = new Arrivals(files, into.imageFolder, records, into.catalog, into.vms);
    for (const [, each] of records.all()) {
      if (!hasArrived(each)) await arrivals.drop(each);
      else if (each.vm === undefined) await arrivals.place(each);
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

  waiting(): Waiting[] {
    const all = this.#records.all().map(([, each]) => each);
    return all.filter((each): each is Waiting => hasArrived(each) && each.vm !== undefined);
  }

  /** The names of everything that is on its way. */
  paths(): ReadonlySet<string> {
    return this.#reserved;
  }

  /** Gives the file its name and makes it known: a base to the catalog, a top as its VM. May be repeated. */
  async place(arrived: Arrived): Promise<void> {
    const { path, migration, vm, layer } = arrived;
    const from = partialPath(arrived);
    if (from !== path && this.#files.exists(from)) await this.#files.rename(from, path);
    // An earlier run may have renamed it and died before the name was on disk.
    await this.#files.syncFolder(dirname(path));
    if (vm !== undefined) await this.#vms.put({ ...vm, top: path }, migration);
    const identity = await identityOf(this.#files, path);
    if (identity !== undefined && vm === undefined) await this.#catalog.put({ ...layer, path, identity });
    await this.#forget(arrived);
  }

  /** Removes the file and frees its name. */
  async drop(arrival: Arrival): Promise<void> {
    await this.#files.remove(partialPath(arrival));
    await this.#files.syncFolder(dirname(arrival.path));
    await this.#forget(arrival);
  }

  async #forget({ path }: Arrival): Promise<void> {
    await this.#records.remove(recordName(path));
    this.#reserved.delete(path);
  }
}

function hasArrived(arrival: Arrival): arrival is Arrived {
  return arrival.layer !== undefined;
}

function recordName(path: string): string {
  return toHex(sha256(Buffer.from(basename(path)))).slice(0, 32);
}
