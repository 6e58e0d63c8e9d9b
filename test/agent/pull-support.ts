import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import type { PullJob } from '../../agent/pull/pull-layer.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST } from '../../core/fingerprint.ts';
import { noise, tempFolder } from '../disk/support.ts';
import { each, MemoryDisk, MemoryStore, shrinkLimits, sleepClock, UNTOUCHED } from './push-support.ts';
import { KiB } from './scan-support.ts';

const quiet = new AbortController().signal;
export const chunkBytes = 16 * KiB;
export const UNIT = 16 * chunkBytes;
export const folder = tempFolder();
const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: UNIT });
afterAll(() => pool.close());
export const virtualBytes = 20 * UNIT + 512;
shrinkLimits(2 * UNIT);
export const geometry = geometryOf(virtualBytes, chunkBytes);
const NOBODY = Buffer.alloc(chunkBytes, UNTOUCHED);

/** A disk with data, a hole and explicit zeros, pushed once; tests work on copies of what was stored. */
export let stored: MemoryStore;
export let layerId: string;
export let expected: Buffer;

/** Makes such a disk, pushes it, and gives what was stored and what must arrive. */
export async function pushed(
  name: string,
  seed: number,
): Promise<{ store: MemoryStore; layerId: string; disk: Buffer }> {
  const path = folder.at(name);
  const writer = await createQcow2(path, { virtualBytes, clusterBytes: chunkBytes, version: 3 });
  const disk = Buffer.alloc(virtualBytes, UNTOUCHED);
  const data = noise(virtualBytes, seed);
  for (const [from, to] of [
    [0, 9 * UNIT],
    [12 * UNIT, virtualBytes],
  ] as const) {
    await writer.write(from, data.subarray(from, to));
    data.copy(disk, from, from, to);
  }
  await writer.writeZeros(10 * UNIT, 1 * UNIT);
  disk.fill(0, 10 * UNIT, 11 * UNIT);
  await writer.finish();
  const chain = await openChain(path, { imageFolder: folder.path() });
  const store = new MemoryStore('migration');
  const manifests = new ManifestStore(folder.at('manifests'));
  const base = { name, layer: chain.layers[0]!, chunkBytes, totalBytes: 0, pool, manifests, clock: sleepClock() };
  const job = { ...base, treatment: 'direct' as const, parent: NO_DIGEST, sink: store, signal: quiet };
  const { layerId } = await pushLayer(job);
  await chain.close();
  return { store, layerId, disk };
}

beforeAll(async () => {
  ({ store: stored, layerId, disk: expected } = await pushed('disk.qcow2', 21));
});

export let store: MemoryStore;
export let disk: MemoryDisk;
beforeEach(() => {
  store = new MemoryStore('migration');
  for (const [key, bytes] of stored.objects) store.objects.set(key, Buffer.from(bytes));
  freshDisk();
});

export function freshDisk(): void {
  disk = new MemoryDisk(virtualBytes);
}

/** A pull of the stored rounds from `store` to `disk`, but for what is said otherwise. */
export function job(more: Partial<PullJob> = {}): PullJob {
  const base = { name: 'disk.qcow2', geometry, parent: NO_DIGEST, source: store, writer: disk, signal: quiet };
  return { ...base, rounds: each(stored.rounds), totalBytes: 0, ...more };
}

/** Every chunk is as nobody wrote it, or right. */
export function expectNothingWrong() {
  for (let at = 0; at < virtualBytes; at += chunkBytes) {
    const found = disk.bytes.subarray(at, at + chunkBytes);
    if (found.equals(NOBODY.subarray(0, found.length))) continue;
    expect(Buffer.compare(found, expected.subarray(at, at + chunkBytes)), `chunk ${at / chunkBytes}`).toBe(0);
  }
}

/** Keys of one kind in `store`. */
export const keys = (kind: string) => [...store.objects.keys()].filter((key) => key.startsWith(`${kind}/`));

/** The objects that the last version of each segment needs. */
export function finalSegments(): string[] {
  const latest = new Map(stored.rounds.flatMap(({ segments }) => segments).map(({ index, id }) => [index, id]));
  return [...latest.values()];
}
