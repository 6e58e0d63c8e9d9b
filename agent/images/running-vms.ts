import { join, relative } from 'node:path';
import * as z from 'zod';
import { systemFiles } from '../../adapters/system/files.ts';
import { diskName, vmName } from '../../core/api/names.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { RECORD_ENDING, readRecord, writeRecord } from '../catalog/record-folder.ts';
import type { VmImage } from './vm-files.ts';

/** A VM whose QEMU is known: the operator has told of it, or the VM came here with its memory. */
const runningVm = z.object({
  name: vmName,
  /** Absolute path of the unix socket of a QMP monitor. */
  qmp: z.string(),
  disks: z
    .array(
      z.object({
        /** Which one it is of a VM that has several, if that is not the node’s name. */
        disk: diskName.optional(),
        /** Name of the top node in QEMU. */
        node: z.string(),
        /** Of the top image, relative to the image folder. */
        top: z.string(),
      }),
    )
    .min(1)
    .max(limits.vm_disks_max),
});
export type RunningVm = z.infer<typeof runningVm>;

/**
 * The VMs whose QEMUs are known, one small file each (a VM file). `layermover vm` writes them while the agent runs, so they are
 * read each time they are asked for.
 */
export class RunningVms {
  readonly #folder: string;
  readonly #imageFolder: string;
  readonly #files: Files;

  /** `imageFolder` is absolute, links resolved. */
  constructor(folder: string, imageFolder: string, files: Files = systemFiles) {
    this.#folder = folder;
    this.#imageFolder = imageFolder;
    this.#files = files;
  }

  /** In order of their names. Errors: STATE_CORRUPT. */
  async records(): Promise<RunningVm[]> {
    if (!this.#files.exists(this.#folder)) return [];
    const names = (await this.#files.list(this.#folder)).map(({ name }) => name);
    const found = names.filter((name) => name.endsWith(RECORD_ENDING)).sort();
    const records: RunningVm[] = [];
    for (const name of found.slice(0, limits.vms_per_host_max)) {
      records.push(await readRecord(this.#files, join(this.#folder, name), runningVm));
    }
    return records;
  }

  async all(): Promise<VmImage[]> {
    const records = await this.records();
    return records.map(({ disks, ...vm }) => {
      const inside = disks.map((disk) => ({ ...disk, top: join(this.#imageFolder, disk.top) }));
      return { ...vm, disks: named(inside) };
    });
  }

  /** Notes a VM; `disks` by absolute paths. One of that name that was there is replaced. */
  async put({ disks, ...vm }: RunningVm): Promise<void> {
    await this.#files.makeFolder(this.#folder);
    const inside = disks.map((disk) => ({ ...disk, top: relative(this.#imageFolder, disk.top) }));
    await writeRecord(this.#files, this.#path(vm.name), { ...vm, disks: inside });
  }

  /** Forgets what was noted of a VM's QEMU if its disks are others than these by now: it has been here before, and left. */
  async outdate(name: string, tops: readonly string[]): Promise<void> {
    const known = (await this.all()).find((vm) => vm.name === name);
    if (known !== undefined && !known.disks.every(({ top }) => tops.includes(top))) await this.remove(name);
  }

  /** Answers whether there was one. */
  async remove(name: string): Promise<boolean> {
    const path = this.#path(name);
    if (!this.#files.exists(path)) return false;
    await this.#files.remove(path);
    await this.#files.syncFolder(this.#folder);
    return true;
  }

  #path(name: string): string {
    return join(this.#folder, name + RECORD_ENDING);
  }
}

/** The disks of a running VM by the names that tell them apart: those they came with, or else of their nodes; none for a single one. */
export function named<T extends { readonly node: string; readonly disk?: string | undefined }>(disks: readonly T[]) {
  return disks.map((each) => ({ ...each, disk: disks.length === 1 ? undefined : (each.disk ?? each.node) }));
}
