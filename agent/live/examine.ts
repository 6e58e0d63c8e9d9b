import { isAbsolute } from 'node:path';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { backingPath, resolveInside } from '../disk/backing.ts';
import { openChain } from '../disk/chain.ts';
import { readNames } from '../disk/header-names.ts';
import { HostFile } from '../disk/host-file.ts';
import type { Chain } from '../disk/layer.ts';
import type { VmImage } from '../images/vm-files.ts';
import { disksOf, type QemuDisk } from '../qemu/disks.ts';
import { runsInIothread } from '../qemu/iothread.ts';
import { mechanismFor } from '../qemu/mechanism.ts';
import type { Qmp } from '../qemu/qmp.ts';

/** A disk that a device of the VM has. */
export type DeviceDisk = QemuDisk & { readonly qdev: string };

/** A running VM as its QEMU and its image folder tell of it. */
export interface Examined {
  readonly disk: DeviceDisk;
  /** How it can be read without danger to the guest. */
  readonly mechanism: 'pull' | 'mirror';
  /** The layers below the top one, which nobody writes; close it. */
  readonly bases: Chain;
}

interface Folder {
  readonly path: string;
  readonly files: Files;
}

/**
 * Compares what is known of a running VM with what its QEMU has, and opens the layers below the top one. Nothing is
 * changed. Errors: DISKS_UNSUPPORTED, VM_DISK_OTHER, MECHANISM_UNSAFE, those of openChain and of Qmp.execute.
 */
export async function examine(
  qmp: Qmp,
  vm: Required<Pick<VmImage, 'name' | 'top' | 'running'>>,
  folder: Folder,
  signal: AbortSignal,
): Promise<Examined> {
  const disk = await diskOf(qmp, vm, folder, signal);
  const mechanism = await mechanismOf(qmp, vm.name, disk, signal);
  const bases = await openBases(vm.top, disk, folder);
  try {
    await assertSameBases(vm, disk, bases, folder);
    return { disk, bases, mechanism };
  } catch (error) {
    await bases.close();
    throw error;
  }
}

async function diskOf(
  qmp: Qmp,
  { name, top, running }: Required<Pick<VmImage, 'name' | 'top' | 'running'>>,
  { path, files }: Folder,
  signal: AbortSignal,
): Promise<DeviceDisk> {
  const writable = (await disksOf(qmp, signal)).filter((disk) => !disk.isReadOnly);
  const disk = writable.find(({ node }) => node === running.node);
  if (disk === undefined) throw other(name, `it has no writable disk whose node is ${running.node}`);
  if (writable.length > 1) throw disksUnsupported(name, writable);
  const [file] = disk.files;
  if (disk.qdev === undefined || file === undefined) throw other(name, `no device of it uses ${running.node}`);
  if (!isAbsolute(file)) throw other(name, `its QEMU was told ${file}, which depends on where that was started`);
  const found = await resolveInside(files, path, file, 'IMAGE_NOT_FOUND');
  if (found !== top) throw other(name, `its disk ${running.node} is ${found}, not ${top}`);
  return { ...disk, qdev: disk.qdev };
}

async function mechanismOf(qmp: Qmp, name: string, { driver, qdev }: DeviceDisk, signal: AbortSignal) {
  const situation = { ...(await runsInIothread(qmp, qdev, signal)), driver };
  const mechanism = mechanismFor(situation, await qmp.schema());
  if (mechanism.kind !== 'refuse') return mechanism.kind;
  throw new LayerMoverError(
    'MECHANISM_UNSAFE',
    `the disk of ${name} can’t be read without danger to its guest: ${mechanism.why}`,
    {
      hint: 'stop the VM and migrate it without --live, or start it without the iothread',
      data: { vm: name, ...situation, mechanism: mechanism.kind },
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
  { name }: Pick<VmImage, 'name'>,
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
    `its QEMU has ${found.join(', ') || 'nothing'} below its disk, its image names ${named.join(', ') || 'nothing'}`,
  );
}

function disksUnsupported(name: string, disks: readonly QemuDisk[]): LayerMoverError {
  return new LayerMoverError('DISKS_UNSUPPORTED', `${name} has ${disks.length} disks that it may write to`, {
    hint: 'a running VM of one disk can be migrated; stop this one and migrate its disks one by one',
    data: { vm: name, nodes: disks.map(({ node }) => node) },
  });
}

function other(name: string, what: string): LayerMoverError {
  return new LayerMoverError('VM_DISK_OTHER', `${name} is not as its VM file says: ${what}`, {
    hint: '`layermover vm add` notes it anew; `info block` in its monitor shows what it has',
    data: { vm: name },
  });
}
