import { readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LayerMoverError } from '../../../core/errors.ts';
import { cpio, type Entry, FOLDER, PROGRAM } from './cpio.ts';

const BUSYBOX = '/bin/busybox';
const MODULES = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'drivers/block/virtio_blk.ko',
];

/** How a guest begins: with its devices, and what it takes to use its disks. */
const BEGIN = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
for module in ${MODULES.map((module) => path.basename(module)).join(' ')}; do insmod /lib/$module; done
stty -F /dev/ttyS0 -echo
`;

/**
 * A guest that works as a small database does: for each record it writes a page somewhere in a file and appends the record
 * to a log, both with fsync, and only then says on its serial port that the record is there. A line that it reads there
 * has it unmount its disk and end.
 */
const WORK = `echo "up $(cut -d' ' -f1 /proc/uptime)"
mount -t ext4 /dev/vda /mnt && mkdir -p /mnt/data || echo "no disk"
(read line < /dev/ttyS0; touch /stop) &
n=0
while [ ! -e /stop ]; do
  n=$((n + 1))
  dd if=/bin/busybox of=/mnt/data/pages bs=4096 count=1 skip=$((n % 400)) seek=$((n * 37 % 1024)) conv=notrunc,fsync 2>/dev/null || break
  echo "record $n" | dd of=/mnt/data/log oflag=append conv=notrunc,fsync 2>/dev/null || break
  echo "ack $n" > /dev/ttyS0
done
umount /mnt && echo "end $n" > /dev/ttyS0
poweroff -f
`;

/** Kernel and first file system of the guest. */
export interface Linux {
  readonly kernel: string;
  readonly initrd: string;
}

/** The kernel of this machine that its modules are of; undefined if there is none. Needs virtio on PCI as modules, ext4 built in: Debian’s cloud kernels. */
export function findKernel(): { kernel: string; modules: string } | undefined {
  const names = list('/boot').filter((name) => /^vmlinuz-.*cloud/.test(name));
  const releases = names.map((name) => name.slice('vmlinuz-'.length)).sort();
  const release = releases.findLast((each) => list(`/lib/modules/${each}/kernel/drivers/virtio`).length > 0);
  if (release === undefined) return undefined;
  return { kernel: `/boot/vmlinuz-${release}`, modules: `/lib/modules/${release}/kernel` };
}

/**
 * Makes the guest's first file system in `folder`; `work` is the script of what it does, once its devices are there. Errors:
 * KERNEL_MISSING.
 */
export async function makeLinux(folder: string, work = WORK): Promise<Linux> {
  const found = findKernel();
  if (found === undefined) {
    throw new LayerMoverError('KERNEL_MISSING', 'there is no kernel for guests in /boot', {
      hint: 'apt-get install linux-image-cloud-amd64',
    });
  }
  const folders = ['bin', 'dev', 'lib', 'mnt', 'proc'].map((name): Entry => ({ path: name, mode: FOLDER }));
  const program = async (from: string, to: string): Promise<Entry> => {
    return { path: to, mode: PROGRAM, bytes: await readFile(from) };
  };
  const modules = MODULES.map((name) => program(path.join(found.modules, name), `lib/${path.basename(name)}`));
  const init = { path: 'init', mode: PROGRAM, bytes: Buffer.from(BEGIN + work) };
  const entries = [...folders, await program(BUSYBOX, 'bin/busybox'), ...(await Promise.all(modules)), init];
  const initrd = path.join(folder, 'initrd.cpio');
  await writeFile(initrd, cpio(entries));
  return { kernel: found.kernel, initrd };
}

/** QEMU's arguments for such a guest, but its disk; `serial` gets what it says, and a socket beside it takes its input. */
export function linuxArguments({ kernel, initrd }: Linux, serial: string): string[] {
  return [
    ...['-machine', 'q35,accel=tcg', '-m', '128', '-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet loglevel=3 panic=-1'],
    ...['-chardev', `socket,id=serial,path=${serial}.sock,server=on,wait=off,logfile=${serial},logappend=on`],
    ...['-serial', 'chardev:serial'],
  ];
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
