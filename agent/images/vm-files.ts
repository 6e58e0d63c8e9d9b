import { join, relative } from 'node:path';
import { z } from 'zod';
import { systemFiles } from '../../adapters/system/files.ts';
import { migrationId, vmName } from '../../core/api/names.ts';
import type { Files } from '../../core/files.ts';
import { KINDS } from '../../core/kinds.ts';
import { RecordFolder } from '../catalog/record-folder.ts';

/** A VM that arrived here: its name says nothing of what its files are called. */
const vmFile = z.object({
  name: vmName,
  /** Relative to the image folder. */
  top: z.string(),
  /** Bottom first. */
  kinds: z.array(z.enum(KINDS)),
  migration: migrationId,
});

/** A VM of this host. */
export interface VmImage {
  readonly name: string;
  /** Path of its top layer. */
  readonly top: string;
  /** Bottom first, if they are known. */
  readonly kinds?: readonly z.infer<typeof vmFile>['kinds'][number][];
  /** How its QEMU is asked, if it is known to have one. */
  readonly running?: { readonly qmp: string; readonly node: string };
}

/** The VMs that arrived at this host, one small file each. */
export class VmFiles {
  readonly #imageFolder: string;
  readonly #records: RecordFolder<z.infer<typeof vmFile>>;

  private constructor(imageFolder: string, records: RecordFolder<z.infer<typeof vmFile>>) {
    this.#imageFolder = imageFolder;
    this.#records = records;
  }

  static async open(folder: string, imageFolder: string, files: Files = systemFiles): Promise<VmFiles> {
    return new VmFiles(imageFolder, await RecordFolder.open(files, folder, vmFile));
  }

  async put(vm: Required<Omit<VmImage, 'running'>>, migration: string): Promise<void> {
    const top = relative(this.#imageFolder, vm.top);
    await this.#records.put(vm.name, { name: vm.name, top, kinds: [...vm.kinds], migration });
  }

  all(): VmImage[] {
    return this.#records.all().map(([, { name, top, kinds }]) => ({ name, top: join(this.#imageFolder, top), kinds }));
  }
}
