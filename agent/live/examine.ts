import { isAbsolute } from 'node:path';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { backingPath, resolveInside } from '../disk/backing.ts';
import { openChain } from '../disk/chain.ts';
import { readNames } from '../disk/header-names.ts';
import { HostFile } from '../disk/host-file.ts';
import type { Chain } from '../disk/layer.ts';
import { disksOf, type QemuDisk } from '../qemu/disks.ts';
import { runsInIothread } from '../qemu/iothread.ts';
import { mechanismFor } from '../qemu/mechanism.ts';
import type { Qmp } from '../qemu/qmp.ts';
import type { RunningDisk, RunningImage } from './running-image.ts';

/** A disk that a device of the VM has. */
export type DeviceDisk = QemuDisk & { readonly qdev: string };

/** A disk of a running VM as its QEMU and its image folder tell of it. */
export interface ExaminedDisk {
  /** As it is known. */
  readonly image: RunningDisk;
  readonly disk: DeviceDisk;
  /** How it can be read without danger to the guest. */
  readonly mechanism: 'pull' | 'mirror';
  /** The layers below the top one, which nobody writes. */
  readonly bases: Chain;
}

interface Folder {
  readonly path: string;
  readonly files: Files;
}

/**
 * Compares what is known of a running VM with what its QEMU has, opens the layers below the top ones, and gives its disks to
 * `use`. Nothing is changed. Errors: DISKS_UNNAMED, VM_DISK_OTHER, MECHANISM_UNSAFE, those of openChain, of Qmp.execute and of `use`.
 */
export async function examine<T>(
  qmp: Qmp,
  vm: RunningImage,
  folder: Folder,
  signal: AbortSignal,
  use: (disks: readonly ExaminedDisk[]) => Promise<T>,
): Promise<T> {
  const disks = await devicesOf(qmp, vm, folder, signal);
  const mechanisms: ExaminedDisk['mechanism'][] = [];
  for (const disk of disks) mechanisms.push(await mechanismOf(qmp, vm.name, disk, signal));
  const examined: ExaminedDisk[] = [];
  try {
    for (const [at, image] of vm.disks.entries()) {
      const disk = disks[at]!;
      const bases = await openBases(image.top, disk, folder);
      examined.push({ image, disk, bases, mechanism: mechanisms[at]! });
      await assertSameBases(vm, disk, bases, folder);
    }
    return await use(examined);
  } finally {
    for (const { bases } of examined) await bases.close();
  }
}

/** The devices' disks, in the order in which the VM's are known. */
async function devicesOf(qmp: Qmp, vm: RunningImage, folder: Folder, signal: AbortSignal): Promise<DeviceDisk[]> {
  const writable = (await disksOf(qmp, signal)).filter((disk) => !disk.isReadOnly);
  const found: DeviceDisk[] = [];
  for (const { node, top } of vm.disks) {
    const disk = writable.find((each) => each.node === node);
    if (disk === undefined) throw other(vm.name, `it has no writable disk whose node is ${node}`);
    found.push(await deviceOf(vm.name, disk, top, folder));
  }
  const unnamed = writable.filter(({ node }) => !vm.disks.some((disk) => disk.node === node));
  if (unnamed.length > 0) throw disksUnnamed(vm.name, unnamed);
  return found;
}

async function deviceOf(name: string, disk: QemuDisk, top: string, { path, files }: Folder): Promise<DeviceDisk> {
  const { node, qdev } = disk;
  const [file] = disk.files;
  if (qdev === undefined || file === undefined) throw other(name, `no device of it uses ${node}`);
  if (!isAbsolute(file)) throw other(name, `its QEMU was told ${file}, which depends on where that was started`);
  const found = await resolveInside(files, path, file, 'IMAGE_NOT_FOUND');
  if (found !== top) throw other(name, `its disk ${node} is ${found}, not ${top}`);
  return { ...disk, qdev };
}

async function mechanismOf(qmp: Qmp, name: string, { driver, qdev, node }: DeviceDisk, signal: AbortSignal) {
  const situation = { ...(await runsInIothread(qmp, qdev, signal)), driver };
  const mechanism = mechanismFor(situation, await qmp.schema());
  if (mechanism.kind !== 'refuse') return mechanism.kind;
  throw new LayerMoverError(
    'MECHANISM_UNSAFE',
    `the disk ${node} of ${name} can’t be read without danger to its guest: ${mechanism.why}`,
    {
      hint: 'stop the VM and migrate it without --live, or start it without the iothread',
      data: { vm: name, node, ...situation, mechanism: mechanism.kind },
    },
  );
}

/** Only the name of its base is read of the top image, which QEMU writes. */
async function openBases(top: string, { driver }: QemuDisk, { path, files }: Folder): Promise<Chain> {
  // A raw disk's content is its guest's: nothing in it names a base.
  const backing = driver === 'qcow2' ? await backingOf(top, files) : undefined;
  if (backing === undefined) return { layers: [], files: new Map(), close: async () => undefined };
  const { name, format: topFormat } = backing;
  const options = { imageFolder: path, files, ...(topFormat === undefined ? {} : { topFormat }) };
  return openChain(backingPath(top, name), options);
}

async function backingOf(top: string, files: Files) {
  const file = await HostFile.openToRead(top, files);
  try {
    return (await readNames(file, (await file.stat()).bytes)).backing;
  } finally {
    await file.close();
  }
}

/** QEMU may have been given other backing files than the images name. */
async function assertSameBases(
  { name }: Pick<RunningImage, 'name'>,
  disk: QemuDisk,
  bases: Chain,
  { path, files }: Folder,
): Promise<void> {
  const told = disk.files.slice(1);
  const found = await Promise.all(told.map((file) => resolveInside(files, path, file, 'BACKING_MISSING')));
  const named = bases.layers.map((layer) => layer.path).reverse();
  if (found.length === named.length && found.every((file, depth) => file === named[depth])) return;
  throw other(
    name,
    `its QEMU has ${found.join(', ') || 'nothing'} below its disk ${disk.node}, its image names ${named.join(', ') || 'nothing'}`,
  );
}

function disksUnnamed(name: string, disks: readonly QemuDisk[]): LayerMoverError {
  const nodes = disks.map(({ node }) => node);
  return new LayerMoverError(
    'DISKS_UNNAMED',
    `${name} may write to disks that nobody has told of: ${nodes.join(', ')}`,
    {
      hint: 'a VM moves with all of its disks: `layermover vm add` with a --disk for each',
      data: { vm: name, nodes },
    },
  );
}

function other(name: string, what: string): LayerMoverError {
  return new LayerMoverError('VM_DISK_OTHER', `${name} is not as its VM file says: ${what}`, {
    hint: '`layermover vm add` notes it anew; `info block` in its monitor shows what it has',
    data: { vm: name },
  });
}
