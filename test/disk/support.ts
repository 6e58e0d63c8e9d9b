import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import type { Chain, DiskLayer } from '../../agent/disk/layer.ts';
import { readPieces } from '../../agent/disk/pieces.ts';
import type { Extent } from '../../core/extent.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;

/** A folder of its own for the tests of a file; `at` gives paths in it. */
export function tempFolder(): { at: (name: string) => string; path: () => string } {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'layermover-disk-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  return { at: (name) => join(folder, name), path: () => folder };
}

export async function withChain<T>(top: string, imageFolder: string, use: (chain: Chain) => Promise<T>): Promise<T> {
  const chain = await openChain(top, { imageFolder });
  try {
    return await use(chain);
  } finally {
    await chain.close();
  }
}

/** All guest bytes up to a layer, mapped and read in windows that fit no cluster size. */
export async function readAll(layer: DiskLayer, windowBytes = 3 * MiB + 512): Promise<Buffer> {
  const all = Buffer.alloc(layer.virtualBytes, 0xee);
  for (let at = 0; at < all.length; at += windowBytes) {
    const window = all.subarray(at, at + windowBytes);
    const pieces = await layer.pieces(at, window.length);
    expect(pieces.reduce((end, piece) => (piece.at === end ? end + piece.length : Number.NaN), at)).toBe(
      at + window.length,
    );
    readPieces(structuredClone(pieces), at, window);
  }
  return all;
}

export async function extentsOf(layer: DiskLayer, offset = 0, length = layer.virtualBytes): Promise<Extent[]> {
  const extents: Extent[] = [];
  for await (const extent of layer.extents(offset, length)) extents.push(extent);
  return extents;
}

/** Equality of large buffers without a long printed difference. */
export function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length);
  if (Buffer.compare(actual, expected) === 0) return;
  const at = expected.findIndex((byte, i) => byte !== actual[i]);
  expect.fail(`byte ${at} is ${actual[at]}, not ${expected[at]}`);
}

/** Bytes that compress little and differ from place to place; the same for the same seed. */
export function noise(length: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, length);
}
