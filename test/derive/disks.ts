import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { qemuImg } from '../disk/qemu.ts';
import { KiB, MiB, noise } from '../disk/support.ts';

/** What is derived from what; every pair of values is tried. */
export const BASES = ['raw', 'qcow2 64 KiB', 'qcow2 4 KiB', 'qcow2 2 MiB', 'two layers'] as const;
export const FLATS = ['raw', 'raw, odd end', 'qcow2 64 KiB', 'qcow2 512 B', 'compressed', 'over the base'] as const;
export const CLUSTERS = [4 * KiB, 64 * KiB, 2 * MiB] as const;
export const SIZES = ['same', 'larger', 'smaller'] as const;

export interface Row {
  readonly base: (typeof BASES)[number];
  readonly flat: (typeof FLATS)[number];
  readonly cluster: (typeof CLUSTERS)[number];
  readonly size: (typeof SIZES)[number];
}

/** All bases with all disks, and with each of them every pair of the other two in turn: a Latin square. */
export const ROWS: readonly Row[] = BASES.flatMap((base, i) =>
  FLATS.map((flat, j) => ({ base, flat, cluster: CLUSTERS[(i + j) % 3]!, size: SIZES[(i + 2 * j) % 3]! })),
);

const BASE_BYTES = 6 * MiB;

/** Runs of data and of zeros that end within clusters of any size. */
function baseContent(): Buffer {
  const bytes = Buffer.alloc(BASE_BYTES);
  noise(2500 * KiB, 1).copy(bytes, 100 * KiB);
  noise(1 * MiB, 2).copy(bytes, 4 * MiB + 512);
  return bytes;
}

/** The base's content, changed here and there; zeros over its data, data over its zeros. */
function flatContent(base: Buffer, bytes: number): Buffer {
  const flat = Buffer.alloc(bytes);
  base.copy(flat);
  noise(300 * KiB, 3).copy(flat, 1 * MiB);
  flat.fill(0, 1700 * KiB, 2300 * KiB);
  noise(5 * KiB, 4).copy(flat, 3 * MiB + 1024);
  if (bytes > base.length) noise(700 * KiB, 5).copy(flat, base.length + 100 * KiB);
  noise(512, 6).copy(flat, bytes - 600);
  return flat;
}

/** Makes both disks of a row in `folder`; gives their paths, and what their guests see. */
export async function makePair(folder: string, { base, flat, size }: Row) {
  const was = baseContent();
  const odd = flat === 'raw, odd end' ? 100 : 0;
  const bytes = { same: BASE_BYTES, larger: 8 * MiB, smaller: 3 * MiB + 512 * 5 }[size] - odd;
  const is = flatContent(was, bytes);
  const basePath = await makeBase(folder, base, was);
  return { was, is, base: basePath, flat: await makeFlat(folder, flat, is, basePath) };
}

async function makeBase(folder: string, kind: Row['base'], content: Buffer): Promise<string> {
  const raw = join(folder, 'base.raw');
  writeFileSync(raw, content);
  if (kind === 'raw') return raw;
  const image = join(folder, 'base.qcow2');
  if (kind !== 'two layers') {
    await qemuImg('convert', '-O', 'qcow2', '-o', `cluster_size=${clusterOf(kind)}`, raw, image);
    return image;
  }
  const lower = join(folder, 'lower.raw');
  writeFileSync(lower, Buffer.concat([content.subarray(0, 2 * MiB), noise(MiB, 9)]));
  await overlay(folder, lower, raw, image);
  return image;
}

async function makeFlat(folder: string, kind: Row['flat'], content: Buffer, base: string): Promise<string> {
  const raw = join(folder, 'flat.raw');
  writeFileSync(raw, content);
  if (kind.startsWith('raw')) return raw;
  const image = join(folder, 'flat.qcow2');
  if (kind === 'over the base') await overlay(folder, base, raw, image);
  else if (kind === 'compressed') await qemuImg('convert', '-c', '-O', 'qcow2', raw, image);
  else await qemuImg('convert', '-O', 'qcow2', '-o', `cluster_size=${clusterOf(kind)}`, raw, image);
  return image;
}

/** An image over `base` with the content of `raw`, as QEMU makes one. */
async function overlay(folder: string, base: string, raw: string, image: string): Promise<void> {
  const format = base.endsWith('.raw') ? 'raw' : 'qcow2';
  const whole = join(folder, 'whole.qcow2');
  await qemuImg('convert', '-O', 'qcow2', raw, whole);
  const bytes = String(readFileSync(raw).length);
  await qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', whole, image, bytes);
  await qemuImg('rebase', '-F', format, '-b', base, image);
  rmSync(whole);
}

function clusterOf(kind: string): string {
  const [, number, unit] = /(\d+) (KiB|MiB|B)$/.exec(kind)!;
  return `${number}${{ KiB: 'k', MiB: 'M', B: '' }[unit as 'B']}`;
}
