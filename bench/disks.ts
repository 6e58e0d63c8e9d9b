import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openChain } from '../agent/disk/chain.ts';
import type { DiskLayer } from '../agent/disk/layer.ts';
import { createQcow2 } from '../agent/disk/writer.ts';
import { type Content, compressible, incompressible, realFiles } from './content.ts';

const STEP_BYTES = 1024 * 1024;
const CLUSTER_BYTES = 64 * 1024;

/** What the disks of one run hold, by name. */
export const contents: Readonly<Record<string, () => Content>> = {
  incompressible: () => incompressible(1),
  compressible: () => compressible(2),
  'system files': () => realFiles(),
};

/** Writes a full raw disk; it stays in the page cache. Gives its path. */
export function makeRaw(folder: string, name: string, content: Content, bytes: number): string {
  const path = join(folder, `${name.replace(' ', '-')}.raw`);
  const fd = openSync(path, 'wx');
  const step = Buffer.alloc(STEP_BYTES);
  for (let at = 0; at < bytes; at += STEP_BYTES) {
    content(step);
    writeSync(fd, step, 0, Math.min(STEP_BYTES, bytes - at));
  }
  // What is still to be written would be written while something else is measured.
  fsyncSync(fd);
  closeSync(fd);
  return path;
}

/** The same disk as a qcow2 image. */
export async function makeQcow2(raw: string, bytes: number): Promise<string> {
  const path = raw.replace(/\.raw$/, '.qcow2');
  const writer = await createQcow2(path, { virtualBytes: bytes, clusterBytes: CLUSTER_BYTES, version: 3 });
  const fd = openSync(raw, 'r');
  const step = Buffer.alloc(STEP_BYTES);
  for (let at = 0; at < bytes; at += STEP_BYTES) {
    await writer.write(at, step.subarray(0, readSync(fd, step, 0, STEP_BYTES, at)));
  }
  closeSync(fd);
  await writer.finish();
  return path;
}

/** Opens the disk at `path`, works on its only layer, and closes it. */
export async function withLayer<T>(path: string, work: (layer: DiskLayer) => Promise<T>): Promise<T> {
  const chain = await openChain(path, { imageFolder: dirname(path) });
  try {
    return await work(chain.layers[0]!);
  } finally {
    await chain.close();
  }
}
