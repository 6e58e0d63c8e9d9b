import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { copyOf, makeLayer } from '../layers.ts';
import type { MachineFile } from '../machine-files.ts';
import { ext4Volume } from '../volume.ts';

/** What the layers of guests' disks hold: files of the operating system, and those of the working environment. */
export interface Contents {
  readonly os: readonly MachineFile[];
  readonly we: readonly MachineFile[];
  readonly bytes: number;
}

/**
 * Makes the disks of guests in `folder`: os.qcow2 and we.qcow2, which they share, and one top layer each with a folder for
 * their data. Their file system has a journal. Gives the top images by name.
 */
export async function makeDisks(
  folder: string,
  vms: readonly string[],
  { os, we, bytes }: Contents,
): Promise<Record<string, string>> {
  const raw = path.join(folder, 'raw');
  await mkdir(raw, { recursive: true });
  const volume = ext4Volume({ journal: true });
  const disk = path.join(raw, 'os.raw');
  await volume.format(disk, bytes);
  await volume.add(disk, 'os', os);
  await makeLayer(disk, path.join(folder, 'os.qcow2'), bytes);
  await volume.add(disk, 'we', we);
  await makeLayer(disk, path.join(folder, 'we.qcow2'), bytes, 'os.qcow2');
  const tops: Record<string, string> = {};
  for (const vm of vms) {
    const own = await copyOf(disk, path.join(raw, `${vm}.raw`), bytes);
    const note = path.join(raw, `${vm}.name`);
    await writeFile(note, `${vm}\n`);
    await volume.add(own, 'data', [{ path: note, bytes: vm.length }]);
    tops[vm] = path.join(folder, `${vm}.qcow2`);
    await makeLayer(own, tops[vm], bytes, 'we.qcow2');
  }
  await rm(raw, { recursive: true });
  return tops;
}
