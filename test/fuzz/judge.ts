import { execFile } from 'node:child_process';
import { open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openChain } from '../../agent/disk/layer.ts';
import { readPieces } from '../../agent/disk/pieces.ts';
import { LayerMoverError } from '../../core/errors.ts';

const run = promisify(execFile);
const MiB = 1024 ** 2;

/** Disks that a mutation made larger are only mapped, not read: the map is what it changed. */
const READ_BYTES_MAX = 64 * MiB;
const WINDOW_BYTES = 4 * MiB;
const QEMU_MS_MAX = 30_000;

/** What became of an image: the code it was refused with, or `accepted`, and then it read as QEMU reads it. */
export type Verdict = string;

/**
 * Lets the product and QEMU read `bytes` as an image in `folder`. Throws if the product fails with anything but a typed
 * error, or accepts what QEMU refuses, or reads it differently.
 */
export async function judge(bytes: Buffer, folder: string, name: string): Promise<Verdict> {
  const image = join(folder, `${name}.qcow2`);
  await writeFile(image, bytes);
  const disk = await readDisk(image, folder);
  if (typeof disk === 'string') return disk;
  const raw = join(folder, `${name}.raw`);
  try {
    // From that folder, as QEMU takes the name of a data file relative to where it runs.
    await run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', image, raw], { cwd: folder, timeout: QEMU_MS_MAX });
    await expectSame(raw, disk);
  } finally {
    await rm(raw, { force: true });
  }
  return 'accepted';
}

interface Disk {
  readonly virtualBytes: number;
  readonly content: Buffer | undefined;
}

/** The guest's bytes, or the code of the refusal. */
async function readDisk(image: string, folder: string): Promise<Disk | string> {
  try {
    const chain = await openChain(image, { imageFolder: folder, topFormat: 'qcow2' });
    try {
      const top = chain.layers.at(-1)!;
      const { virtualBytes } = top;
      // Both ways of reading see every table.
      for await (const { length } of top.extents(0, virtualBytes)) if (length <= 0) throw new Error('an empty extent');
      if (virtualBytes > READ_BYTES_MAX) return { virtualBytes, content: undefined };
      const content = Buffer.alloc(virtualBytes, 0xee);
      readPieces(await top.pieces(0, virtualBytes), 0, content);
      return { virtualBytes, content };
    } finally {
      await chain.close();
    }
  } catch (error) {
    if (error instanceof LayerMoverError) return error.code;
    throw error;
  }
}

async function expectSame(raw: string, { virtualBytes, content }: Disk): Promise<void> {
  const { size } = await stat(raw);
  if (size !== virtualBytes) throw new Error(`the disk has ${virtualBytes} bytes, QEMU finds ${size}`);
  if (content === undefined) return;
  const file = await open(raw);
  try {
    const window = Buffer.alloc(WINDOW_BYTES);
    for (let at = 0; at < size; at += WINDOW_BYTES) {
      const { bytesRead } = await file.read(window, 0, WINDOW_BYTES, at);
      if (content.compare(window, 0, bytesRead, at, at + bytesRead) !== 0) {
        throw new Error(`the disk reads differently from what QEMU reads, from byte ${at} on`);
      }
    }
  } finally {
    await file.close();
  }
}
