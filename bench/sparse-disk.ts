import { basename, dirname } from 'node:path';
import { openChain } from '../agent/disk/chain.ts';
import { createQcow2 } from '../agent/disk/writer.ts';
import type { Content } from './content.ts';

const MiB = 1024 * 1024;
const CLUSTER_BYTES = 64 * 1024;

export interface SparseDisk {
  readonly virtualBytes: number;
  readonly dataBytes: number;
  /** Runs of data that lie evenly on the disk. */
  readonly runs: number;
  readonly content: Content;
  /** Path of the image below, in the same folder. */
  readonly over?: string;
}

/** Writes a qcow2 image of which only some runs hold data. */
export async function makeSparse(path: string, { virtualBytes, dataBytes, runs, content, over }: SparseDisk) {
  const chain = over === undefined ? undefined : await openChain(over, { imageFolder: dirname(path) });
  const below = chain?.layers.at(-1);
  const backing = below && { backing: { name: basename(below.path), format: below.format, chain: below } };
  const writer = await createQcow2(path, { virtualBytes, clusterBytes: CLUSTER_BYTES, version: 3, ...backing });
  const step = Buffer.alloc(MiB);
  const runBytes = Math.ceil(dataBytes / runs / MiB) * MiB;
  for (let run = 0; run < runs; run++) {
    const start = Math.floor((virtualBytes * run) / runs / MiB) * MiB;
    for (let at = start; at < start + runBytes; at += MiB) {
      content(step);
      await writer.write(at, step);
    }
  }
  await writer.finish();
  await chain?.close();
}
