import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { derive } from '../../agent/derive/derive.ts';
import type { ChunkPool } from '../../agent/scan/pool.ts';
import { KiB, MiB, noise } from '../disk/support.ts';

/** What a layer's file is called, what its guest sees, and which layer it lies on. */
export interface Made {
  readonly name: string;
  readonly content: Buffer;
  readonly below: Made | undefined;
}

const CLUSTER = 64 * KiB;
const DISK = 4 * MiB + 512;

/** An operating system, two working environments that share a package at different places, and a VM on each. */
export async function makeImages(folder: string, pool: ChunkPool): Promise<Made[]> {
  const content = Buffer.alloc(DISK);
  noise(1 * MiB, 1).copy(content);
  const os = { name: 'os.raw', content, below: undefined };
  writeFileSync(join(folder, os.name), content);
  const package_ = noise(512 * KiB, 2);
  const web = await over(folder, pool, 'web.qcow2', os, (disk) => {
    package_.copy(disk, MiB);
    noise(256 * KiB, 3).copy(disk, 2 * MiB);
  });
  const mail = await over(folder, pool, 'mail.qcow2', os, (disk) => {
    package_.copy(disk, 3 * MiB + 16 * KiB);
    noise(100 * KiB, 4).copy(disk, 10 * KiB);
    disk.fill(0, 512 * KiB, 640 * KiB);
  });
  const vm1 = await over(folder, pool, 'vm1.qcow2', web, (disk) => noise(70 * KiB, 5).copy(disk, 2 * MiB + 5000));
  const vm2 = await over(folder, pool, 'vm2.qcow2', mail, (disk) => {
    noise(70 * KiB, 5).copy(disk, 2 * MiB + 5000);
    disk[DISK - 1] = 1;
  });
  return [os, web, mail, vm1, vm2];
}

async function over(
  folder: string,
  pool: ChunkPool,
  name: string,
  below: Made,
  change: (disk: Buffer) => unknown,
): Promise<Made> {
  const content = Buffer.from(below.content);
  change(content);
  const flat = join(folder, 'flat.img');
  writeFileSync(flat, content);
  const { signal } = new AbortController();
  const named = (path: string) => ({ path, folder });
  const images = { flat: named(flat), base: named(join(folder, below.name)), out: join(folder, name) };
  await derive({ ...images, clusterBytes: CLUSTER, pool, signal });
  return { name, content, below };
}

/** The content of each data chunk that a layer's file holds, from the contents alone. */
export function dataChunks({ content, below }: Made, chunkBytes: number): string[] {
  const differs = (at: number) => {
    const end = Math.min(content.length, at + CLUSTER);
    return below === undefined || Buffer.compare(content.subarray(at, end), below.content.subarray(at, end)) !== 0;
  };
  const chunks: string[] = [];
  for (let at = 0; at < content.length; at += chunkBytes) {
    const chunk = content.subarray(at, at + chunkBytes).toString('latin1');
    const first = at - (at % CLUSTER);
    let held = false;
    for (let cluster = first; cluster < Math.min(content.length, at + chunkBytes); cluster += CLUSTER)
      held ||= differs(cluster);
    if (held && /[^\0]/.test(chunk)) chunks.push(chunk);
  }
  return chunks;
}

/** Bytes of the chunks of a disk that hold something, or only of those in which it differs from what `below` shows. */
export function dataBytes(content: Buffer, chunkBytes: number, below?: Made): number {
  const whole: Made = { name: '', content, below };
  return dataChunks(whole, chunkBytes).reduce((sum, chunk) => sum + chunk.length, 0);
}
