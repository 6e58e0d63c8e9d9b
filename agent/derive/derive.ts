import { basename, relative } from 'node:path';
import { systemFiles } from '../../adapters/system/files.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { Files } from '../../core/files.ts';
import { limits } from '../../core/limits.ts';
import { type Comparison, differences } from '../compare/differences.ts';
import { Side } from '../compare/side.ts';
import { openChain } from '../disk/chain.ts';
import { assertNotHeld, assertNotWritten } from '../disk/held.ts';
import type { Chain } from '../disk/layer.ts';
import { SECTOR_BYTES } from '../disk/limits.ts';
import { createQcow2, type DiskWriter } from '../disk/writer.ts';
import { assertRoom, type Wanted } from '../images/room.ts';
import type { ChunkPool } from '../scan/pool.ts';
import { Unchanged } from '../scan/unchanged.ts';
import { NewFile } from './new-file.ts';

/** An image, and the folder that it and all that it is based on must be in. */
export interface NamedImage {
  readonly path: string;
  readonly folder: string;
}

export interface DeriveJob {
  /** The disk that shall become a layer. */
  readonly flat: NamedImage;
  /** What it shall lie on. */
  readonly base: NamedImage;
  /** The new file; nothing may be there. */
  readonly out: string;
  /** What is equal or not as a whole: a power of two from 4 KiB to 2 MiB. */
  readonly clusterBytes: number;
  readonly pool: ChunkPool;
  /** The file system that all of them are on, this machine's unless set. */
  readonly files?: Files;
  readonly signal: AbortSignal;
  readonly progress?: (phase: 'writing' | 'proving', doneBytes: number, totalBytes: number) => void;
}

export interface Derived {
  readonly path: string;
  /** As the new layer names its base. */
  readonly backing: string;
  /** Layers of the new chain. */
  readonly depth: number;
  readonly virtualBytes: number;
  /** What the layer holds: bytes, and explicit zeros over the base's. */
  readonly dataBytes: number;
  readonly zeroBytes: number;
  /** Read of the flat disk to tell; less where the maps tell enough. */
  readonly readBytes: number;
  readonly fileBytes: number;
}

/**
 * Makes a qcow2 layer over `base` that holds only what differs from it, reads the new chain back, compares it with the
 * flat disk, and only then gives the file its name. Neither disk is changed.
 * Errors: DISK_EXISTS, DISK_FULL, DERIVE_SAME, DERIVE_DIFFERS, LAYER_CHANGED, IMAGE_HELD, BACKING_WRITTEN, CHAIN_TOO_DEEP, those
 * of openChain, createQcow2 and reading, the signal's reason. After any of them there is no new file.
 */
export async function derive(job: DeriveJob): Promise<Derived> {
  const { files = systemFiles } = job;
  const out = await NewFile.at(files, job.out);
  const chains: Chain[] = [];
  const open = async (path: string, imageFolder: string, topFormat?: string) => {
    const chain = await openChain(path, { imageFolder, files, ...(topFormat === undefined ? {} : { topFormat }) });
    chains.push(chain);
    return chain;
  };
  try {
    const flat = await open(job.flat.path, job.flat.folder);
    const base = await open(job.base.path, job.base.folder);
    await check(flat, base, files);
    const layers = [...flat.layers, ...base.layers];
    const unchanged = await Promise.all(layers.map((layer) => Unchanged.since(layer)));
    const work = { job, files, out, flat: new Side(flat), base: new Side(base) };
    const made = await write(work);
    try {
      const result = await open(out.partial, '/', 'qcow2');
      await prove(work, new Side(result));
      for (const each of unchanged) await each.check();
      const { bytes } = await files.stat(out.partial);
      await out.place();
      return { ...made, path: out.path, depth: result.layers.length, fileBytes: bytes };
    } catch (error) {
      await files.remove(out.partial);
      throw error;
    }
  } finally {
    await Promise.all(chains.map((chain) => chain.close()));
  }
}

interface Work {
  readonly job: DeriveJob;
  readonly files: Files;
  readonly out: NewFile;
  readonly flat: Side;
  readonly base: Side;
}

/** Refuses disks that somebody writes to, and pairs that make no chain. */
async function check(flat: Chain, base: Chain, files: Files): Promise<void> {
  await assertNotHeld(flat.layers, files);
  await assertNotWritten(base.layers, files);
  const [disk, below] = [flat.layers.at(-1)!.path, base.layers.at(-1)!.path];
  if (disk === below) {
    throw new LayerMoverError('DERIVE_SAME', `${disk} can’t be a layer over itself`, { data: { path: disk } });
  }
  if (base.layers.length < limits.chain_layers_max) return;
  throw new LayerMoverError('CHAIN_TOO_DEEP', `${below} has ${base.layers.length - 1} layers below it already`, {
    hint: 'derive onto a lower one of them',
    data: { path: below, limit: limits.chain_layers_max },
  });
}

/** Disks of qcow2 are whole sectors; QEMU rounds a raw one up, too. */
function virtualBytesOf({ layer }: Side): number {
  return Math.ceil(layer.virtualBytes / SECTOR_BYTES) * SECTOR_BYTES;
}

async function write(work: Work): Promise<Omit<Derived, 'path' | 'depth' | 'fileBytes'>> {
  const { job, files, out, flat, base } = work;
  const { clusterBytes, pool, signal } = job;
  const virtualBytes = virtualBytesOf(flat);
  const name = relative(out.folder, base.layer.path);
  const backing = { name, format: base.layer.format, chain: base.layer };
  const writer = await createQcow2(out.partial, { virtualBytes, clusterBytes, version: 3, backing }, files);
  const counts = { dataBytes: 0, zeroBytes: 0, readBytes: 0 };
  const progress = (done: number, readBytes: number) => {
    counts.readBytes = readBytes;
    job.progress?.('writing', done, virtualBytes);
  };
  try {
    const compared = { sides: [flat, base] as const, virtualBytes, chunkBytes: clusterBytes, pool, signal, progress };
    await writeDifferences(compared, writer, roomFor(work), counts);
    await writer.finish();
  } catch (error) {
    await writer.discard();
    throw error;
  }
  return { ...counts, virtualBytes, backing: name };
}

function roomFor({ files, out }: Work): Wanted {
  const bytes = limits.derive_room_bytes;
  return { files, folder: out.folder, name: basename(out.path), bytes, again: 'run the command again' };
}

/** `room` is what there must be whenever so much was written again. */
async function writeDifferences(
  compared: Comparison,
  writer: DiskWriter,
  room: Wanted,
  counts: { dataBytes: number; zeroBytes: number },
): Promise<void> {
  let nextLook = 0;
  for await (const { offset, length, bytes } of differences(compared)) {
    if (bytes === undefined) {
      await writer.writeZeros(offset, length);
      counts.zeroBytes += length;
      continue;
    }
    if (counts.dataBytes >= nextLook) {
      await assertRoom(room);
      nextLook = counts.dataBytes + room.bytes;
    }
    await writer.write(offset, bytes);
    counts.dataBytes += length;
  }
}

/** Reads the flat disk and the new chain, which must not differ anywhere (DERIVE_DIFFERS). */
async function prove({ job, flat }: Work, result: Side): Promise<void> {
  const virtualBytes = result.layer.virtualBytes;
  const { clusterBytes: chunkBytes, pool, signal } = job;
  const progress = (done: number) => job.progress?.('proving', done, virtualBytes);
  const compared = { sides: [flat, result] as const, virtualBytes, chunkBytes, pool, signal, progress };
  for await (const { offset } of differences(compared)) {
    throw new LayerMoverError('DERIVE_DIFFERS', `the new layer differs from ${flat.layer.path} at byte ${offset}`, {
      hint: 'look into the kernel log for this device, then run the command again',
      data: { path: flat.layer.path, offset },
    });
  }
}
