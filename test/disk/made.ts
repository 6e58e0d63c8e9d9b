import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from './matrix.ts';
import { qemuImg, qemuIo } from './qemu.ts';
import { KiB, MiB, noise } from './support.ts';

const SIZE = 5 * MiB + 1536;

/** Bytes that differ from place to place, that compress, and that do not. */
const TEXT = 'lines.txt';
const NOISE = 'noise.bin';

const BASES = {
  'raw short': { format: 'raw', name: 'short.raw', bytes: 3 * MiB + 512 },
  'raw long': { format: 'raw', name: 'long.raw', bytes: 6 * MiB },
  'qcow2 short': { format: 'qcow2', name: 'short.qcow2', bytes: 3 * MiB + 512 },
  'qcow2 long': { format: 'qcow2', name: 'long.qcow2', bytes: 6 * MiB },
  'qcow2 absolute': { format: 'qcow2', name: 'long.qcow2', bytes: 6 * MiB },
} as const;

/** Puts into `folder` what the images of the matrix are made of: their bases, and the bytes that are written. */
export async function makeBases(folder: string): Promise<void> {
  writeFileSync(join(folder, NOISE), noise(64 * KiB + 512, 1));
  writeFileSync(join(folder, TEXT), lines(256 * KiB));
  writeFileSync(join(folder, 'short.raw'), noise(BASES['raw short'].bytes, 2));
  writeFileSync(join(folder, 'long.raw'), noise(BASES['raw long'].bytes, 3));
  for (const { name, bytes } of [BASES['qcow2 short'], BASES['qcow2 long']]) {
    await qemuImg('create', '-f', 'qcow2', join(folder, name), String(bytes));
    await qemuIo(join(folder, name), `write -s ${join(folder, NOISE)} 100k 2500k`, 'write -z 2m 300k');
  }
}

/** Makes the image `name` of a row in `folder`, where the bases are, and gives its path. */
export async function makeImage(folder: string, name: string, row: Row): Promise<string> {
  const image = join(folder, name);
  await qemuImg('create', '-f', 'qcow2', ...over(folder, row), '-o', optionsOf(image, row), image, String(SIZE));
  await qemuIo(image, ...writes(folder, row));
  if (row.inside.startsWith('snapshot')) await qemuImg('snapshot', '-c', 'before', image);
  if (row.inside === 'bitmap') await qemuImg('bitmap', '--add', '-g', '64k', image, 'changed');
  if (row.inside !== 'snapshot') await qemuIo(image, ...laterWrites(folder));
  return image;
}

function optionsOf(image: string, row: Row): string {
  const options = [`compat=${row.compat}`, `cluster_size=${row.cluster}`, `preallocation=${row.preallocation}`];
  if (row.subclusters === 'on') options.push('extended_l2=on');
  if (row.refcounts !== '16') options.push(`refcount_bits=${row.refcounts}`);
  if (row.lazy === 'on') options.push('lazy_refcounts=on');
  if (row.compressed === 'zstd') options.push('compression_type=zstd');
  if (row.data !== 'inside') options.push(`data_file=${image}.data`);
  if (row.data === 'external raw') options.push('data_file_raw=on');
  return options.join();
}

function over(folder: string, { backing }: Row): string[] {
  if (backing === 'none') return [];
  const { format, name } = BASES[backing];
  return ['-F', format, '-b', backing === 'qcow2 absolute' ? join(folder, name) : name];
}

/** Whole clusters and parts of them, at edges and at the end; zeros with and without their clusters; holes again. */
function writes(folder: string, { compressed }: Row): string[] {
  const some = `write -s ${join(folder, NOISE)}`;
  // Only where there is no cluster yet can QEMU write a compressed one.
  const packed = ['discard 2m 2m', `write -c -s ${join(folder, TEXT)} 2m 2m`];
  return [
    ...(compressed === 'none' ? [] : packed),
    `${some} 0 700k`,
    `${some} 1537k 3k`,
    'write -z 600k 200k',
    'write -z -u 1m 100k',
    'discard 128k 128k',
    `${some} ${SIZE - 1536} 1536`,
    'write -z 4m 513k',
    `${some} 4m 512`,
  ];
}

/** After a snapshot, or with a bitmap that has to note them. */
function laterWrites(folder: string): string[] {
  const some = `write -s ${join(folder, NOISE)}`;
  return [`${some} 300k 65k`, 'write -z 64k 32k', 'discard 512k 64k', `${some} 2100k 1k`, `${some} 3m 200k`];
}

function lines(length: number): Buffer {
  const text = Buffer.alloc(length);
  for (let at = 0; at < length; at += 32) text.write(`line ${at} of many that compress well`.padEnd(32), at);
  return text;
}
