import { createHash, hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { openChain } from '../../agent/disk/chain.ts';
import type { Chain } from '../../agent/disk/layer.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { noise } from '../disk/support.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;

/** Content by seed; `withChain` takes its first bytes. */
const NOISE = [1, 2, 3, 4, 5].map((seed) => noise(12 * MiB, seed));

/** What is written into one layer of a random chain, in clusters. Seeds repeat, so that content does. */
interface Patch {
  readonly cluster: number;
  readonly clusters: number;
  readonly kind: 'data' | 'zero' | 'zeros as data';
  readonly seed: number;
}

export interface ChainSpec {
  readonly chunkBytes: number;
  readonly clusterBytes: number;
  readonly virtualBytes: number;
  /** Bottom first. */
  readonly layers: readonly (readonly Patch[])[];
}

/** Chains of one to three layers, of about `chunks` chunks, with an odd last chunk. */
export function chainSpecs(chunkBytes: number, chunks: number): fc.Arbitrary<ChainSpec> {
  const clusterBytes = fc.constantFrom(...[4 * KiB, 16 * KiB, 64 * KiB].filter((bytes) => bytes * 64 >= chunkBytes));
  const tail = fc.integer({ min: 0, max: chunkBytes / 512 - 1 });
  return fc.record({ clusterBytes, tail }).chain(({ clusterBytes, tail }) => {
    const virtualBytes = chunks * chunkBytes + tail * 512;
    const last = Math.ceil(virtualBytes / clusterBytes) - 1;
    const patch = fc.record({
      cluster: fc.integer({ min: 0, max: last }),
      clusters: fc.integer({ min: 1, max: Math.max(2, Math.ceil(last / 6)) }),
      kind: fc.constantFrom('data', 'data', 'zero', 'zeros as data' as const),
      seed: fc.integer({ min: 1, max: 4 }),
    });
    const layers = fc.array(fc.array(patch, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 });
    return fc.record({
      chunkBytes: fc.constant(chunkBytes),
      clusterBytes: fc.constant(clusterBytes),
      virtualBytes: fc.constant(virtualBytes),
      layers,
    });
  });
}

/** One layer as the test knows it: guest-visible bytes up to it, and the clusters that its own file holds. */
export interface ModelLayer {
  readonly content: Buffer;
  readonly held: Uint8Array;
}

/** Writes the chain as qcow2 files, opens it, and gives what it must hold. */
export async function withChain<T>(
  folder: string,
  spec: ChainSpec,
  use: (chain: Chain, model: readonly ModelLayer[], dir: string) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(folder, 'chain-'));
  const { virtualBytes, clusterBytes } = spec;
  const model: ModelLayer[] = [];
  let top: string | undefined;
  for (const patches of spec.layers) {
    const path = join(dir, `layer-${model.length}.qcow2`);
    const below = top === undefined ? undefined : await openChain(top, { imageFolder: dir });
    const chain = below?.layers.at(-1);
    const backing = chain === undefined ? {} : { backing: { name: basename(chain.path), format: chain.format, chain } };
    const writer = await createQcow2(path, { virtualBytes, clusterBytes, version: 3, ...backing });
    const layer = { content: Buffer.from(model.at(-1)?.content ?? Buffer.alloc(virtualBytes)), held: newHeld(spec) };
    for (const patch of patches) {
      const offset = patch.cluster * clusterBytes;
      const length = Math.min(virtualBytes - offset, patch.clusters * clusterBytes);
      const bytes = patch.kind === 'data' ? NOISE[patch.seed]!.subarray(0, length) : Buffer.alloc(length);
      if (patch.kind === 'zero') await writer.writeZeros(offset, length);
      else await writer.write(offset, bytes);
      bytes.copy(layer.content, offset);
      layer.held.fill(1, patch.cluster, Math.ceil((offset + length) / clusterBytes));
    }
    await writer.finish();
    await below?.close();
    model.push(layer);
    top = path;
  }
  const chain = await openChain(top!, { imageFolder: dir });
  try {
    return await use(chain, model, dir);
  } finally {
    await chain.close();
    rmSync(dir, { recursive: true });
  }
}

function newHeld({ virtualBytes, clusterBytes }: ChainSpec): Uint8Array {
  return new Uint8Array(Math.ceil(virtualBytes / clusterBytes));
}

/** The chunks of a layer by docs/FORMAT.md, computed from the model alone: undefined for absent. */
export function chunksOf(spec: ChainSpec, { content, held }: ModelLayer): (Buffer | undefined)[] {
  const { chunkBytes, clusterBytes, virtualBytes } = spec;
  return Array.from({ length: Math.ceil(virtualBytes / chunkBytes) }, (_, chunk) => {
    const from = chunk * chunkBytes;
    const to = Math.min(virtualBytes, from + chunkBytes);
    const touched = held.subarray(Math.floor(from / clusterBytes), Math.ceil(to / clusterBytes)).includes(1);
    return touched ? content.subarray(from, to) : undefined;
  });
}

/** The layer id by docs/FORMAT.md, written out here once more, sharing no code with the product. */
export function expectedLayerId(
  spec: ChainSpec,
  chunks: readonly (Buffer | undefined)[],
  parent: Uint8Array = Buffer.alloc(32),
  segmentChunks = 4096,
): string {
  const segments: Buffer[] = [];
  for (let first = 0; first < chunks.length; first += segmentChunks)
    segments.push(segmentId(chunks.slice(first, first + segmentChunks)));
  const head = Buffer.alloc(24);
  head.write('LMRT');
  head.writeUInt8(1, 4);
  head.writeUInt8(1, 5);
  head.writeUInt32BE(spec.chunkBytes, 8);
  head.writeUInt32BE(segments.length, 12);
  head.writeBigUInt64BE(BigInt(spec.virtualBytes), 16);
  return hash('sha256', Buffer.concat([head, parent, ...segments]), 'hex');
}

function segmentId(chunks: readonly (Buffer | undefined)[]): Buffer {
  const head = Buffer.alloc(8 + Math.ceil(chunks.length / 4));
  head.write('LMSG');
  head.writeUInt8(1, 4);
  head.writeUInt16BE(chunks.length, 6);
  const whole = createHash('sha256');
  const fingerprints: Buffer[] = [];
  chunks.forEach((chunk, at) => {
    if (chunk === undefined) return;
    const isZero = isZeros(chunk);
    head[8 + (at >> 2)]! |= (isZero ? 1 : 2) << (2 * (at % 4));
    if (!isZero) fingerprints.push(hash('sha256', chunk, 'buffer'));
  });
  if (chunks.every((chunk) => chunk === undefined)) return Buffer.alloc(32);
  whole.update(head);
  for (const fingerprint of fingerprints) whole.update(fingerprint);
  return whole.digest();
}

export function isZeros(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}
