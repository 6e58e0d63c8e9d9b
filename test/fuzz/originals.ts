import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KiB = 1024;

/** A sound disk made by qemu-img, of which one file is to be mutated. */
export interface Original {
  readonly name: string;
  /** Its folder, with all files of the disk; they name each other relative to it. */
  readonly folder: string;
  readonly bytes: Buffer;
  /** The file that is mutated, and what it is. */
  readonly target: string;
  readonly format: 'qcow2' | 'raw';
}

/** The image that is read. */
export const TOP = 'top.qcow2';
const BASE = 'base.qcow2';
const RAW = 'base.raw';
const DATA = 'data.raw';

interface Recipe {
  /** How each image is made, bottom first, and what qemu-io then does to it; `img` begins what qemu-img does. */
  readonly images: readonly { readonly create: string; readonly commands: readonly string[] }[];
  /** The top image unless said. */
  readonly target?: string;
}

const WRITES = ['write -P 1 0 100k', 'write -P 2 260k 70k', 'write -z 64k 33k', 'write -P 3 600k 5k'];
/** Parts of clusters too, next to others that are absent. */
const PARTS = [
  'write -P 1 0 100k',
  'write -z 64k 33k',
  'write -z 101k 2k',
  'write -P 4 108k 3k',
  'write -z 300k 5k',
  'discard 16k 16k',
];
const SNAPSHOT = [...WRITES, 'img snapshot -c before TOP', 'write -P 5 20k 200k', 'write -z 600k 64k'];
const BITMAPS = ['img bitmap --add -g 64k TOP one', 'img bitmap --add -g 4k TOP two', ...WRITES];
const MIDDLE = { create: `create -F raw -b ${RAW} -o cluster_size=4k ${BASE} 800k`, commands: ['write -P 7 50k 500k'] };
const SUBCLUSTERS = `create -F raw -b ${RAW} -o extended_l2=on,cluster_size=16k ${BASE} 900k`;
const OVER = { create: `create -F qcow2 -b ${BASE} ${TOP} 1M`, commands: ['write -P 8 128k 9k', 'write -z 512k 64k'] };
/** QEMU makes none that leave it to the content what their base is, but it reads them. */
const UNDECLARED = { create: `create -F raw -b ${RAW} ${TOP} 1M`, commands: ['forget format'] };

const top = (create: string, commands: readonly string[] = WRITES): Recipe => ({ images: [{ create, commands }] });
const below = (create: string, commands: readonly string[]): Recipe => ({
  images: [{ create, commands }, OVER],
  target: BASE,
});

const RECIPES: Readonly<Record<string, Recipe>> = {
  'compat 0.10': top(`create -o compat=0.10 ${TOP} 1M`, ['write -P 1 0 100k', 'write -P 2 260k 70k']),
  'over raw': top(`create -F raw -b ${RAW} -o cluster_size=4k ${TOP} 900k`),
  'over qcow2': { images: [MIDDLE, OVER] },
  'clusters of 512 B': top(`create -o cluster_size=512 ${TOP} 700k`),
  'clusters of 2 MiB': top(`create -o cluster_size=2M ${TOP} 5M`, ['write -P 1 0 100k', 'write -z 2M 2M']),
  'sub-clusters': top(`create -F raw -b ${RAW} -o extended_l2=on,cluster_size=16k ${TOP} 1M`, PARTS),
  'external data': top(`create -o data_file=${DATA} ${TOP} 1M`),
  'raw external data': top(`create -o data_file=${DATA},data_file_raw=on,extended_l2=on ${TOP} 1M`, PARTS),
  deflate: top(`convert -c -o cluster_size=8k ${RAW} ${TOP}`, ['write -P 9 32k 9k']),
  zstd: top(`convert -c -o compression_type=zstd ${RAW} ${TOP}`, ['write -P 9 130k 9k']),
  'deflate, sub-clusters': top(`convert -c -o extended_l2=on,cluster_size=32k ${RAW} ${TOP}`, PARTS),
  'a snapshot': top(`create -o cluster_size=4k,refcount_bits=64 ${TOP} 1M`, SNAPSHOT),
  'a snapshot, compat 0.10': top(`create -o compat=0.10 ${TOP} 1M`, SNAPSHOT),
  bitmaps: top(`create -o cluster_size=16k ${TOP} 1M`, BITMAPS),
  preallocated: top(`create -o cluster_size=4k,preallocation=metadata,refcount_bits=1 ${TOP} 500k`, [
    'write -P 1 9k 100k',
    'write -z 200k 20k',
  ]),
  'under an overlay': below(`create -F raw -b ${RAW} ${BASE} 900k`, [...WRITES, 'write -P 6 800k 100k']),
  'sub-clusters under an overlay': below(SUBCLUSTERS, PARTS),
  'a snapshot under an overlay': below(`create -o cluster_size=4k ${BASE} 900k`, SNAPSHOT),
  'deflate under an overlay': below(`convert -c ${RAW} ${BASE}`, []),
  'a data file': { ...top(`create -o data_file=${DATA} ${TOP} 1M`), target: DATA },
  'a raw base': { images: [MIDDLE, OVER], target: RAW },
  'a raw base of no declared format': { images: [UNDECLARED], target: RAW },
};

/** Makes each recipe's disk in a folder of its own in `folder`. */
export function makeOriginals(folder: string): Original[] {
  return Object.entries(RECIPES).map(([name, { images, target = TOP }], number) => {
    const home = join(folder, `original${number}`);
    mkdirSync(home);
    writeFileSync(join(home, RAW), text(700 * KiB + 512));
    for (const { create, commands } of images) make(home, create.split(' '), commands);
    const format = target.endsWith('.raw') ? 'raw' : 'qcow2';
    return { name, folder: home, bytes: readFileSync(join(home, target)), target, format };
  });
}

function make(cwd: string, [verb, ...create]: readonly string[], commands: readonly string[]): void {
  const image = create.findLast((word) => word.endsWith('.qcow2'))!;
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  run('qemu-img', verb!, ...(verb === 'create' ? ['-f'] : ['-f', 'raw', '-O']), 'qcow2', ...create);
  for (const command of commands) {
    if (command === 'forget format') forgetFormat(join(cwd, image));
    else if (!command.startsWith('img ')) run('qemu-io', '-c', command, image);
    else run('qemu-img', ...command.slice(4).replace('TOP', image).split(' '));
  }
}

/** Gives the extension with the format of the base a type that nobody knows. */
function forgetFormat(image: string): void {
  const file = readFileSync(image);
  file.writeUInt32BE(0x12345678, file.indexOf(Buffer.from('e2792aca', 'hex')));
  writeFileSync(image, file);
}

/** Bytes that differ from place to place and compress. */
function text(length: number): Buffer {
  const lines = Buffer.alloc(length);
  for (let at = 0; at < length; at += 32) lines.write(`line ${at} of a raw base image ....\n`, at);
  return lines;
}
