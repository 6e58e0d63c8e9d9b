import { execFile } from 'node:child_process';
import { createCipheriv, hash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const KiB = 1024;
const MiB = 1024 * KiB;
/** Two segments, of which the second one ends within a chunk. */
const DISK_BYTES = 300 * MiB + 12 * KiB;
const CHUNK_BYTES = 64 * KiB;

/** At a byte of the disk: bytes that are written, or so many zeros, as an explicit hole or as data. */
type Write =
  | { readonly at: number; readonly bytes: Buffer }
  | { readonly at: number; readonly zeros: number; readonly as: 'hole' | 'data' };

interface Image {
  readonly name: string;
  readonly over?: string;
  readonly clusterBytes?: number;
  readonly writes: readonly Write[];
}

/** Bytes that no compression shortens, the same for the same seed. */
function noise(seed: number, length: number): Buffer {
  const cipher = createCipheriv('aes-128-ctr', hash('md5', `${seed}`, 'buffer'), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(length));
}

/** So many chunks of a layer that are no hooks: who meets one of them alone is not led to its pack. */
function lonelyChunks(content: Buffer, count: number): Buffer[] {
  const chunks = Array.from({ length: content.length / CHUNK_BYTES }, (_, at) =>
    content.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES),
  );
  return chunks.filter((chunk) => hash('sha256', chunk, 'buffer')[0]! % 8 !== 0).slice(0, count);
}

const os = noise(1, 38 * MiB);
const pg = noise(3, 16 * MiB);
const pgAlone = noise(9, 2 * MiB);
const web = noise(4, 8 * MiB);

const OS: Image = {
  name: 'os',
  writes: [
    { at: 0, bytes: os },
    { at: 40 * MiB, zeros: MiB, as: 'hole' },
    { at: 44 * MiB, bytes: noise(2, 2 * MiB) },
    { at: DISK_BYTES - 12 * KiB, bytes: noise(5, 12 * KiB) },
  ],
};

/**
 * `pg` repeats some of itself; `web` holds most of `pg` at another place, and repeats some of itself; `mail`, in smaller clusters, holds
 * some of `web`, four chunks that lie alone of what `pg` alone has, and a chunk in part; `node` holds some of the operating system.
 */
const ENVIRONMENTS: readonly Image[] = [
  {
    name: 'pg',
    writes: [
      { at: 60 * MiB, bytes: pg },
      { at: 90 * MiB, bytes: pg.subarray(0, MiB) },
      { at: 100 * MiB, bytes: pgAlone },
    ],
  },
  {
    name: 'web',
    writes: [
      { at: 130 * MiB, bytes: pg },
      { at: 150 * MiB, bytes: web },
      { at: 170 * MiB, bytes: web.subarray(0, 2 * MiB) },
      { at: 180 * MiB, zeros: 512 * KiB, as: 'data' },
    ],
  },
  {
    name: 'mail',
    clusterBytes: 4 * KiB,
    writes: [
      { at: 3 * MiB + 4 * KiB, bytes: noise(6, 8 * KiB) },
      { at: 60 * MiB, bytes: noise(7, 8 * MiB) },
      { at: 200 * MiB, bytes: web.subarray(0, 2 * MiB) },
      ...lonelyChunks(pgAlone, 4).map((bytes, nth) => ({ at: (210 + nth) * MiB, bytes })),
    ],
  },
  {
    name: 'node',
    writes: [
      { at: MiB, zeros: MiB, as: 'hole' },
      { at: 60 * MiB, bytes: noise(8, 21 * MiB) },
      { at: 100 * MiB, bytes: os.subarray(4 * MiB, 7 * MiB) },
      { at: 120 * MiB, zeros: 128 * KiB, as: 'data' },
    ],
  },
];

const shared = noise(20, MiB);
const base64 = Buffer.from(noise(21, 2 * MiB).toString('base64'), 'latin1').subarray(0, 2.5 * MiB);

/** User data: some of it is the operating system's, some is another VM's, one holds a chunk in part, one shrinks. */
const TOPS: readonly Image[] = [
  {
    name: 'app-1',
    over: 'node',
    writes: [{ at: 220 * MiB, bytes: Buffer.concat([noise(30, MiB), os.subarray(0, MiB)]) }],
  },
  {
    name: 'blog-1',
    over: 'web',
    clusterBytes: 4 * KiB,
    writes: [
      { at: 151 * MiB + 8 * KiB, bytes: noise(31, 4 * KiB) },
      { at: 220 * MiB, bytes: noise(32, 2 * MiB) },
    ],
  },
  {
    name: 'blog-2',
    over: 'web',
    writes: [
      { at: 152 * MiB, zeros: 256 * KiB, as: 'hole' },
      { at: 220 * MiB, bytes: noise(33, 3 * MiB) },
      { at: DISK_BYTES - 12 * KiB, bytes: noise(34, 12 * KiB) },
    ],
  },
  { name: 'db-1', over: 'pg', writes: [{ at: 220 * MiB, bytes: Buffer.concat([shared, noise(35, 2 * MiB)]) }] },
  { name: 'db-2', over: 'pg', writes: [{ at: 230 * MiB, bytes: Buffer.concat([shared, shared, noise(36, MiB)]) }] },
  { name: 'mail-1', over: 'mail', writes: [{ at: 220 * MiB, bytes: base64 }] },
];

/** The VMs, in the order in which they are moved, each with its layers from the lowest and the host that it is on. */
export const GANG = TOPS.map(({ name, over }) => ({
  name,
  layers: ['os', over!, name],
  host: ['app-1', 'blog-2'].includes(name) ? 'a/h1' : 'c/h2',
}));

export const file = (layer: string) => `${layer}.qcow2`;

/** Makes all images of the gang with qemu-img and qemu-io. */
export async function makeGang(folder: string): Promise<void> {
  await make(folder, OS);
  for (const image of ENVIRONMENTS) await make(folder, { ...image, over: 'os' });
  for (const image of TOPS) await make(folder, image);
}

async function make(folder: string, { name, over, clusterBytes = CHUNK_BYTES, writes }: Image): Promise<void> {
  const image = path.join(folder, file(name));
  const below = over === undefined ? [] : ['-F', 'qcow2', '-b', file(over)];
  const size = over === undefined ? [String(DISK_BYTES)] : [];
  await run('qemu-img', [
    'create',
    '-q',
    '-f',
    'qcow2',
    '-o',
    `cluster_size=${clusterBytes}`,
    ...below,
    image,
    ...size,
  ]);
  const commands: string[] = [];
  const sources: string[] = [];
  for (const [nth, write] of writes.entries()) {
    if ('zeros' in write) {
      commands.push(`write -q ${write.as === 'hole' ? '-z' : '-P 0'} ${write.at} ${write.zeros}`);
      continue;
    }
    const source = path.join(folder, `${name}.${nth}`);
    await writeFile(source, write.bytes);
    sources.push(source);
    commands.push(`write -q -s ${source} ${write.at} ${write.bytes.length}`);
  }
  await run('qemu-io', ['-f', 'qcow2', ...commands.flatMap((command) => ['-c', command]), image]);
  for (const source of sources) await rm(source);
}
