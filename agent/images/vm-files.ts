import { join, relative } from 'node:path';
import * as z from 'zod';
import { systemFiles } from '../../adapters/system/files.ts';
import { diskName, migrationId, vmName } from '../../core/api/names.ts';
import type { Files } from '../../core/files.ts';
import { KINDS, type Kind } from '../../core/kinds.ts';
import { limits } from '../../core/limits.ts';
import { RecordFolder } from '../catalog/record-folder.ts';

const vmDisk = z.object({
  /** Which one it is of a VM that has several. */
  disk: diskName.optional(),
  /** Relative to the image folder. */
  top: z.string(),
  /** Bottom first. */
  kinds: z.array(z.enum(KINDS)),
});

const about = { name: vmName, migration: migrationId };

/** A VM that arrived here: its name says nothing of what its files are called. */
const vmFile = z.object({ ...about, disks: z.array(vmDisk).min(1).max(limits.vm_disks_max) });
type VmFile = z.infer<typeof vmFile>;

/** As it was written when a VM had one disk. */
const ofOneDisk = z.object({ ...about, ...vmDisk.omit({ disk: true }).shape }).transform(({ top, kinds, ...vm }) => {
  return { ...vm, disks: [{ top, kinds }] } satisfies VmFile;
});

/** A disk of a VM of this host: a chain of images. */
export interface VmDisk {
  /** Which one it is of a VM that has several. */
  readonly disk?: string | undefined;
  /** Path of its top image. */
  readonly top: string;
  /** Of its layers, bottom first, if they are known. */
  readonly kinds?: readonly Kind[] | undefined;
  /** Name of its top node in QEMU, if that is known. */
  readonly node?: string | undefined;
}

/** A VM of this host. */
export interface VmImage {
  readonly name: string;
  /** One at least. */
  readonly disks: readonly VmDisk[];
  /** Path of the QMP socket of its QEMU, if it is known to have one: then the nodes of its disks are known, too. */
  readonly qmp?: string | undefined;
}

/** A disk that has arrived. */
export type ArrivedDisk = VmDisk & { readonly kinds: readonly Kind[] };

/** The VMs that arrived at this host, one small file each. */
export class VmFiles {
  readonly #imageFolder: string;
  readonly #records: RecordFolder<VmFile>;

  private constructor(imageFolder: string, records: RecordFolder<VmFile>) {
    this.#imageFolder = imageFolder;
    this.#records = records;
  }

  static async open(folder: string, imageFolder: string, files: Files = systemFiles): Promise<VmFiles> {
    return new VmFiles(imageFolder, await RecordFolder.open(files, folder, z.union([vmFile, ofOneDisk])));
  }

  async put(vm: { readonly name: string; readonly disks: readonly ArrivedDisk[] }, migration: string): Promise<void> {
    const disks = vm.disks.map(({ disk, top, kinds }) => {
      return { ...(disk === undefined ? {} : { disk }), top: relative(this.#imageFolder, top), kinds: [...kinds] };
    });
    await this.#records.put(vm.name, { name: vm.name, disks, migration });
  }

  /** True if the VM's arrival by that migration is noted, with this file. */
  has({ name, migration, top }: { name: string; migration: string; top: string }): boolean {
    const known = this.#records.get(name);
    const path = relative(this.#imageFolder, top);
    return known?.migration === migration && known.disks.some((disk) => disk.top === path);
  }

  all(): VmImage[] {
    return this.#records.all().map(([, { name, disks }]) => ({
      name,
      disks: disks.map((disk) => ({ ...disk, top: join(this.#imageFolder, disk.top) })),
    }));
  }
}
