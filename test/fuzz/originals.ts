import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KiB = 1024;

/** A sound image made by qemu-img, to be mutated. */
export interface Original {
  readonly name: string;
  readonly bytes: Buffer;
  /** Whether it has compressed clusters. */
  readonly compressed: boolean;
}

interface Recipe {
  readonly options: string;
  readonly size: string;
  readonly commands: readonly string[];
  readonly backing?: 'raw' | 'qcow2';
  readonly compress?: boolean;
  readonly snapshot?: boolean;
}

/** Parts of clusters too, next to others that are absent. */
const SUB_WRITES = [
  'write -P 1 0 100k',
  'write -z 64k 33k',
  'write -z 101k 2k',
  'write -P 4 108k 3k',
  'write -z 300k 5k',
];
const WRITES = ['write -P 1 0 100k', 'write -P 2 260k 70k', 'write -z 64k 33k', 'write -P 3 600k 5k'];

/** Names of files beside the mutated image that originals refer to. */
export const BESIDE = { raw: 'base.raw', qcow2: 'base.qcow2', data: 'data.raw' } as const;

const RECIPES: Readonly<Record<string, Recipe>> = {
  'compat 0.10': { options: 'compat=0.10', size: '1M', commands: WRITES.filter((write) => !write.includes('-z')) },
  'over raw': { options: 'cluster_size=4k', size: '900k', commands: WRITES, backing: 'raw' },
  'over qcow2': { options: 'cluster_size=64k', size: '1M', commands: WRITES, backing: 'qcow2' },
  'clusters of 512 B': { options: 'cluster_size=512', size: '700k', commands: WRITES },
  'clusters of 2 MiB': { options: 'cluster_size=2M', size: '5M', commands: ['write -P 1 0 100k', 'write -z 2M 2M'] },
  'sub-clusters': { options: 'extended_l2=on,cluster_size=16k', size: '1M', commands: SUB_WRITES, backing: 'raw' },
  'external data': { options: `data_file=${BESIDE.data}`, size: '1M', commands: WRITES },
  deflate: { options: 'cluster_size=8k', size: '1M', commands: ['write -P 9 32k 9k'], compress: true },
  zstd: { options: 'compression_type=zstd', size: '1M', commands: ['write -P 9 130k 9k'], compress: true },
  'a snapshot': { options: 'cluster_size=4k,refcount_bits=64', size: '1M', commands: WRITES, snapshot: true },
  preallocated: {
    options: 'cluster_size=4k,preallocation=metadata,refcount_bits=1',
    size: '500k',
    commands: ['write -P 1 9k 100k'],
  },
};

/** Makes the files beside the image and one image of each recipe; `folder` is where fuzzed images will be, too. */
export function makeOriginals(folder: string): Original[] {
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const write = (image: string, commands: readonly string[]) =>
    run('qemu-io', ...commands.flatMap((command) => ['-c', command]), image);
  writeFileSync(join(folder, BESIDE.raw), text(700 * KiB + 512));
  run('qemu-img', 'create', '-q', '-f', 'qcow2', BESIDE.qcow2, '800k');
  write(BESIDE.qcow2, ['write -P 7 50k 500k']);
  return Object.entries(RECIPES).map(([name, recipe]) => {
    const image = 'original.qcow2';
    if (recipe.compress) {
      run('qemu-img', 'convert', '-q', '-c', '-O', 'qcow2', '-o', recipe.options, BESIDE.raw, image);
    } else {
      const over = recipe.backing === undefined ? [] : ['-F', recipe.backing, '-b', BESIDE[recipe.backing]];
      run('qemu-img', 'create', '-q', '-f', 'qcow2', ...over, '-o', recipe.options, image, recipe.size);
    }
    write(image, recipe.commands);
    if (recipe.snapshot) {
      run('qemu-img', 'snapshot', '-c', 'before', image);
      write(image, ['write -P 5 20k 200k']);
    }
    const bytes = readFileSync(join(folder, image));
    rmSync(join(folder, image));
    return { name, bytes, compressed: recipe.compress === true };
  });
}

/** Bytes that differ from place to place and compress. */
function text(length: number): Buffer {
  const lines = Buffer.alloc(length);
  for (let at = 0; at < length; at += 32) lines.write(`line ${at} of a raw base image ....\n`, at);
  return lines;
}
