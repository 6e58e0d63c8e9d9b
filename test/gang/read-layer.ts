import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const CHUNK_BYTES = 65_536;

/** A chunk that a layer's file holds, in whole or in part. */
export interface Chunk {
  /** Number on the disk. */
  readonly at: number;
  readonly length: number;
  /** SHA-256 of what the guest sees there, hex; undefined if that is all zeros. */
  readonly id: string | undefined;
  /** Its bytes, for who must know whether they can be compressed. */
  readonly bytes: Buffer;
}

/** What one file of a chain holds. */
export interface Layer {
  readonly name: string;
  readonly virtualBytes: number;
  readonly chunks: readonly Chunk[];
}

/**
 * Reads a layer of a chain with nothing but qemu-img: which parts of the disk its own file holds by `map`, what the guest sees there
 * by `convert`. It shares no code with the product, which is held to what this finds.
 */
export async function readLayer(image: string): Promise<Layer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'layermover-read-'));
  try {
    const raw = path.join(folder, 'disk.raw');
    await run('qemu-img', ['convert', '-O', 'raw', image, raw]);
    const held = await heldChunks(image);
    const disk = await open(raw);
    try {
      const virtualBytes = (await disk.stat()).size;
      const chunks: Chunk[] = [];
      for (const at of held) {
        const length = Math.min(CHUNK_BYTES, virtualBytes - at * CHUNK_BYTES);
        const bytes = Buffer.alloc(length);
        await disk.read(bytes, 0, length, at * CHUNK_BYTES);
        const isZero = bytes.every((byte) => byte === 0);
        chunks.push({ at, length, id: isZero ? undefined : hash('sha256', bytes, 'hex'), bytes });
      }
      return { name: path.basename(image, '.qcow2'), virtualBytes, chunks };
    } finally {
      await disk.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Extent {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly present: boolean;
}

/** Numbers of the chunks that the file itself holds any of, ascending. */
async function heldChunks(image: string): Promise<number[]> {
  const { stdout } = await run('qemu-img', ['map', '--output=json', image], { maxBuffer: 64 * 1024 * 1024 });
  const held = new Set<number>();
  for (const { start, length, depth, present } of JSON.parse(stdout) as Extent[]) {
    if (depth !== 0 || !present) continue;
    for (let at = Math.floor(start / CHUNK_BYTES); at * CHUNK_BYTES < start + length; at++) held.add(at);
  }
  return [...held].sort((one, other) => one - other);
}
