import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MiB = 1024 * 1024;

export async function qemuImg(...words: string[]): Promise<string> {
  return (await run('qemu-img', words)).stdout;
}

/** What a layer holds beyond the one below it: `megabytes` of chance, which no compression shortens, and a few zeros over data. */
export interface Layer {
  readonly name: string;
  readonly over?: string;
  readonly at: number;
  readonly megabytes: number;
}

/** Makes the layers of a chain, from the lowest, of a disk whose end is within a chunk. */
export async function makeLayers(folder: string, layers: readonly Layer[]): Promise<void> {
  for (const { name, over, at, megabytes } of layers) {
    const image = path.join(folder, name);
    if (over === undefined) await qemuImg('create', '-q', '-f', 'qcow2', image, String(1024 * MiB + 12_288));
    else await qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', over, image);
    const bytes = path.join(folder, '..', `${name}.bytes`);
    await writeFile(bytes, randomBytes(megabytes * MiB));
    const zeros = over === undefined ? [] : ['-c', 'write -z 1M 256k'];
    await run('qemu-io', ['-f', 'qcow2', '-c', `write -q -s ${bytes} ${at}M ${megabytes}M`, ...zeros, image]);
    await rm(bytes);
  }
}

/** Throws unless qemu-img finds both images sound and alike. */
export async function compare(source: string, arrived: string): Promise<void> {
  await qemuImg('check', '-q', arrived);
  await qemuImg('compare', '-q', source, arrived);
}
