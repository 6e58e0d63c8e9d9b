import { execFile } from 'node:child_process';
import { open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openChain } from '../../agent/disk/chain.ts';
import type { DiskLayer } from '../../agent/disk/layer.ts';
import { readPieces } from '../../agent/disk/pieces.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { TOP } from './originals.ts';

const run = promisify(execFile);
const MiB = 1024 ** 2;

const WINDOW_BYTES = 4 * MiB;
const QEMU_MS_MAX = 30_000;
/** More than any file system of a test host can hold: such a disk is mapped, not compared. */
const FILE_BYTES_MAX = 8 * MiB * MiB;
const RAW = 'read.raw';

/** What became of a disk: the code it was refused with, or `accepted`, and then it read as QEMU reads it. */
export type Verdict = string;

/**
 * Lets the product and QEMU read the disk in `folder`, of which the file `target` becomes `bytes`. Throws if the product
 * fails with anything but a typed error, changes a file, accepts what QEMU refuses, or reads it differently.
 */
export async function judge(bytes: Buffer, folder: string, target: string): Promise<Verdict> {
  await writeFile(join(folder, target), bytes);
  try {
    const refusal = await readDisk(folder);
    if (refusal !== undefined) return refusal;
    // From that folder, as QEMU takes the name of a data file relative to where it runs.
    const compare = ['compare', '-f', 'qcow2', '-F', 'raw', TOP, RAW];
    const { stdout } = await run('qemu-img', compare, { cwd: folder, timeout: QEMU_MS_MAX });
    // Of disks of two sizes it says that they are the same if the rest is zeros.
    if (!/^Images are identical\.$/m.test(stdout) || /mismatch/.test(stdout)) throw new Error(stdout);
  } finally {
    await rm(join(folder, RAW), { force: true });
  }
  return 'accepted';
}

/** Writes the guest's bytes to a raw file, or gives the code of the refusal. */
async function readDisk(folder: string): Promise<string | undefined> {
  try {
    const chain = await openChain(join(folder, TOP), { imageFolder: folder, topFormat: 'qcow2' });
    try {
      await copy(chain.layers.at(-1)!, join(folder, RAW));
    } finally {
      await chain.close();
    }
    return undefined;
  } catch (error) {
    if (error instanceof LayerMoverError) return error.code;
    throw error;
  }
}

/** Both ways of reading see every table; what is zeros becomes a hole, however large the disk is. */
async function copy(layer: DiskLayer, path: string): Promise<void> {
  let end = 0;
  for await (const { offset, length } of layer.extents(0, layer.virtualBytes)) {
    if (length <= 0 || offset !== end) throw new Error(`an extent of ${length} bytes at ${offset}, after ${end}`);
    end = offset + length;
  }
  if (end !== layer.virtualBytes) throw new Error(`extents of ${end} bytes in all, not ${layer.virtualBytes}`);
  if (layer.virtualBytes > FILE_BYTES_MAX) throw new LayerMoverError('TOO_LARGE_TO_COMPARE', 'it is only mapped');
  const file = await open(path, 'w');
  try {
    await file.truncate(layer.virtualBytes);
    const window = Buffer.alloc(WINDOW_BYTES);
    for (const piece of await layer.pieces(0, layer.virtualBytes)) {
      if (piece.kind === 'zero') continue;
      for (let at = piece.at; at < piece.at + piece.length; at += WINDOW_BYTES) {
        const part = window.subarray(0, piece.at + piece.length - at);
        readPieces([piece], at, part);
        await file.write(part, 0, part.length, at);
      }
    }
  } finally {
    await file.close();
  }
}
