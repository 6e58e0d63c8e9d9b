import { systemFiles } from '../../adapters/system/files.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { HostFile } from './host-file.ts';

/**
 * QEMU keeps a shared lock on byte 100 + p of an image for each permission p it uses, and on byte 200 + p for each it
 * grants nobody else; there are up to 64 permissions. 1, 2 and 3 are write, write unchanged and resize.
 */
const LOCKED_BYTES = [
  [100, 163],
  [200, 263],
] as const;
const WRITER_BYTES = [[101, 103]] as const;

/**
 * Refuses images that a running QEMU uses: for the top layer any use (IMAGE_HELD), for the others one that may write
 * (BACKING_WRITTEN), as other VMs may read the same base. `layers` are those of a chain, bottom first. Programs that
 * were told not to lock (locking=off) can't be seen.
 */
export async function assertNotHeld(layers: readonly Locked[], files: Files = systemFiles): Promise<void> {
  await assertFree(layers, layers.at(-1), files);
}

/** The same for the layers below the top one of a VM that runs: any QEMU may read them, none may write (BACKING_WRITTEN). */
export async function assertNotWritten(layers: readonly Locked[], files: Files = systemFiles): Promise<void> {
  await assertFree(layers, undefined, files);
}

interface Locked {
  readonly paths: readonly string[];
}

async function assertFree(layers: readonly Locked[], top: Locked | undefined, files: Files): Promise<void> {
  const locks = parseLocks(`${await files.readFile('/proc/locks')}`);
  if (locks.length === 0) return;
  const mounts = `${await files.readFile('/proc/self/mountinfo')}`;
  for (const layer of layers) {
    const isTop = layer === top;
    const bytes = isTop ? LOCKED_BYTES : WRITER_BYTES;
    for (const path of layer.paths) {
      const inode = await lockedName(files, path, mounts);
      const held = locks.some((lock) => lock.inode === inode && bytes.some(([a, b]) => lock.from <= b && lock.to >= a));
      if (held) throw isTop ? heldError(path) : writtenError(path);
    }
  }
}

interface Lock {
  readonly inode: string;
  readonly from: number;
  readonly to: number;
}

/** Lines such as `4: OFDLCK ADVISORY  READ -1 fe:00:9977892 100 101`; waiting ones have an arrow and hold nothing. */
function parseLocks(text: string): Lock[] {
  return [...text.matchAll(/^\d+: \S+ +\S+ +\S+ +\S+ (\S+) (\d+) (\d+|EOF)$/gm)].map(([, inode, from, to]) => ({
    inode: inode!,
    from: Number(from),
    to: to === 'EOF' ? Number.POSITIVE_INFINITY : Number(to),
  }));
}

/**
 * The name /proc/locks has for a file: device of its mount and inode. Both are asked of the kernel by descriptor, as
 * stat gives other numbers on btrfs and overlayfs.
 */
async function lockedName(files: Files, path: string, mounts: string): Promise<string> {
  const file = await HostFile.openToRead(path, files);
  try {
    const info = `${await files.readFile(`/proc/self/fdinfo/${file.fd}`)}`;
    const mount = /^mnt_id:\s*(\d+)$/m.exec(info)?.[1];
    const device = new RegExp(`^${mount} \\d+ (\\d+):(\\d+) `, 'm').exec(mounts);
    const inode = /^ino:\s*(\d+)$/m.exec(info)?.[1] ?? String((await file.stat()).ino);
    return `${hex(Number(device![1]))}:${hex(Number(device![2]))}:${inode}`;
  } finally {
    await file.close();
  }
}

/** Two hex digits at least, as the kernel prints devices. */
function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}

function heldError(path: string): LayerMoverError {
  return new LayerMoverError('IMAGE_HELD', `a running QEMU uses ${path}`, {
    hint: 'shut the VM down first, or end the qemu-nbd or qemu-img that has it open',
    data: { path },
  });
}

function writtenError(path: string): LayerMoverError {
  return new LayerMoverError('BACKING_WRITTEN', `a running QEMU may write to ${path}, which is a base of this disk`, {
    hint: 'end that VM or commit job: a base image must not change',
    data: { path },
  });
}
