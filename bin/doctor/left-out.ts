import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { findImages } from '../../agent/images/find.ts';
import { usedBy } from '../../agent/images/used-by.ts';
import { vmName } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';

/** A file that looks like a VM's disk and that an agent without --vm does not announce. */
export interface LeftOut {
  /** Relative to the image folder. */
  readonly file: string;
  readonly why: string;
  readonly hint: string;
}

const DISK = /\.(qcow2?|img|raw|vmdk|vdi|vhdx?)$/i;
const BY_NAME = 'rename it, or name the VM with --vm NAME=FILE';

/** What is passed over in an image folder, and why. Errors: those of findImages. */
export async function leftOut(folder: string): Promise<LeftOut[]> {
  const images = await realpath(folder).catch(() => folder);
  const taken = await findImages(images);
  const known = new Set(taken);
  const others = (await disks(images, 1)).filter(({ file }) => !known.has(file)).map((each) => notTaken(each));
  const named = await unnamed(taken);
  return [...others, ...named]
    .map((each) => ({ ...each, file: path.relative(images, each.file) }))
    .sort((a, b) => (a.file < b.file ? -1 : 1));
}

interface Disk {
  readonly file: string;
  readonly link: boolean;
  readonly depth: number;
}

/** Everything that looks like a disk, deeper than an agent looks; links that lead to folders, too. */
async function disks(folder: string, depth: number): Promise<Disk[]> {
  const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found: Disk[] = [];
  for (const entry of entries.filter((each) => !each.name.startsWith('.'))) {
    const file = path.join(folder, entry.name);
    const link = entry.isSymbolicLink();
    if (entry.isDirectory() && depth < 2 * limits.image_folder_depth_max) found.push(...(await disks(file, depth + 1)));
    else if (
      DISK.test(entry.name) ? !entry.isDirectory() : link && (await stat(file).catch(() => undefined))?.isDirectory()
    )
      found.push({ file, link, depth });
    if (found.length > limits.image_files_max) break;
  }
  return found;
}

function notTaken({ file, link, depth }: Disk): LeftOut {
  if (link)
    return { file, why: 'links are not followed', hint: 'put the image itself, or a hard link, into the image folder' };
  if (depth > limits.image_folder_depth_max)
    return { file, why: `it lies more than ${limits.image_folder_depth_max} folders deep`, hint: 'move it up' };
  return {
    file,
    why: 'not a .qcow2, .img or .raw file',
    hint: 'convert it with qemu-img convert -O qcow2, or rename it',
  };
}

/** Images that no other one uses and whose names can't be VMs' names, or are those of two. */
async function unnamed(images: readonly string[]): Promise<LeftOut[]> {
  const used = new Set<string>();
  for (const image of images) for (const file of await usedBy(systemFiles, image)) used.add(file);
  const tops = images.filter((image) => !used.has(image));
  const count = new Map<string, number>();
  for (const top of tops) count.set(path.parse(top).name, (count.get(path.parse(top).name) ?? 0) + 1);
  return tops.flatMap((file) => {
    const { name } = path.parse(file);
    if (!vmName.safeParse(name).success)
      return [
        {
          file,
          why: 'its name can’t be a VM’s: letters, digits, dot, dash and underscore, 64 at the most',
          hint: BY_NAME,
        },
      ];
    return count.get(name) === 1 ? [] : [{ file, why: `several images are called ${name}`, hint: BY_NAME }];
  });
}
