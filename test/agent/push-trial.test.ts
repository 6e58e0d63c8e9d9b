import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import type { ObjectKind } from '../../agent/push/port.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { hooksOfManifest, mayBeHook } from '../../agent/sample/hooks.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { lookupsPay } from '../../core/planner/lookups.ts';
import type { Clock } from '../../core/ports.ts';
import { noise } from '../disk/support.ts';
import { MemoryStore, shrinkLimits, sleepClock } from './push-support.ts';
import { KiB, MiB } from './scan-support.ts';
import { eachFolder } from './support.ts';

const folder = eachFolder();
const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: 1 * MiB });
beforeAll(() => shrinkLimits(512 * KiB));
afterAll(() => pool.close());
const chunkBytes = 16 * KiB;
const SEGMENTS = 12;
const SEGMENT_BYTES = 128 * chunkBytes;
const CONTENT = noise(SEGMENTS * SEGMENT_BYTES, 3);

/** A store on which look-ups and packs take their time, and which knows every fingerprint of some batches. */
class SlowStore extends MemoryStore {
  readonly #clock: Clock;
  readonly #ms: { check: number; pack: number };

  constructor(clock: Clock, ms: { check: number; pack: number }) {
    super('namespace');
    this.#clock = clock;
    this.#ms = ms;
  }

  override async check(fingerprints: Uint8Array) {
    await this.#clock.sleep(this.#ms.check);
    return super.check(fingerprints);
  }

  override async put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]) {
    if (kind === 'packs') await this.#clock.sleep(this.#ms.pack);
    return super.put(kind, id, parts);
  }
}

async function push(ms: { check: number; pack: number }, before?: Buffer) {
  const clock = sleepClock();
  const store = new SlowStore(clock, ms);
  const of = async (content: Buffer, name: string) => {
    writeFileSync(folder.at(name), content);
    const chain = await openChain(folder.at(name), { imageFolder: folder.path() });
    const layer = chain.layers[0]!;
    const manifests = new ManifestStore(folder.at('manifests'));
    const { signal } = new AbortController();
    const { layerId } = await scanLayer({ layer, chunkBytes, parent: NO_DIGEST, pool, manifests, signal });
    const job = { name, layer, chunkBytes, totalBytes: content.length, pool, manifests, clock, signal };
    const pushed = await pushLayer({ ...job, treatment: 'dedup', layerId, sink: store });
    await chain.close();
    return pushed;
  };
  if (before !== undefined) await of(before, 'before.raw');
  Object.assign(store, { rounds: [], batches: [] });
  return { store, ...(await of(CONTENT, 'disk.raw')) };
}

describe('a push whose look-ups turn out not to pay', () => {
  it('stops asking, sends the rest, and tells how much that was', async () => {
    const { store, counts } = await push({ check: 1000, pack: 1 });
    expect(store.batches.length).toBeGreaterThanOrEqual(limits.lookup_trial_batches);
    expect(store.batches.length).toBeLessThanOrEqual(limits.lookup_trial_batches + 2);
    expect(counts.unaskedBytes).toBe((SEGMENTS - store.batches.length) * SEGMENT_BYTES);
    expect(counts.doneBytes).toBe(CONTENT.length);
    expect(store.rounds.at(-1)!.layerId).toBeDefined();
  });

  it('stops, too, where the sample that it was planned by promised all of it', async () => {
    const hooksOnly = Buffer.from(CONTENT);
    for (let at = 0; at < CONTENT.length; at += chunkBytes) {
      const chunk = CONTENT.subarray(at, at + chunkBytes);
      if (!mayBeHook(sha256(chunk))) hooksOnly.fill(at / chunkBytes, at, at + chunkBytes);
    }
    const { store, counts, layerId } = await push({ check: 1000, pack: 1 }, hooksOnly);
    const sampled = (await hooksOfManifest(new ManifestStore(folder.at('manifests')), layerId))!;
    expect(sampled.fingerprints.length).toBeGreaterThan(20);
    expect(sampled.fingerprints.every((hook) => store.index.has(toHex(hook)))).toBe(true);
    expect(counts.dedupedBytes).toBeLessThan(CONTENT.length / 4);
    expect(store.batches.length).toBeLessThanOrEqual(limits.lookup_trial_batches + 2);
    expect(counts.unaskedBytes).toBe((SEGMENTS - store.batches.length) * SEGMENT_BYTES);
  });

  it('goes on asking as long as answers are there when they are needed', async () => {
    const before = Buffer.from(CONTENT);
    for (let segment = 1; segment < SEGMENTS; segment += 2)
      before.fill(segment, segment * SEGMENT_BYTES, (segment + 1) * SEGMENT_BYTES);
    const { store, counts } = await push({ check: 0, pack: 0 }, before);
    expect(store.batches).toHaveLength(SEGMENTS);
    expect(counts.unaskedBytes).toBe(0);
    expect(counts.dedupedBytes).toBe(CONTENT.length / 2);
  });
});

it('is known after some batches, and never of a push that has sent nothing', () => {
  const seen = { batches: limits.lookup_trial_batches, foundBytes: 10, sentBytes: 90, waitedMs: 50, elapsedMs: 140 };
  expect(lookupsPay(seen)).toBe(false);
  expect(lookupsPay({ ...seen, batches: limits.lookup_trial_batches - 1 })).toBe(true);
  expect(lookupsPay({ ...seen, sentBytes: 0 })).toBe(true);
  expect(lookupsPay({ ...seen, waitedMs: 10, elapsedMs: 100 })).toBe(true);
});
