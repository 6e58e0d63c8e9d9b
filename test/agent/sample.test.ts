import { setImmediate } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { openChain } from '../../agent/disk/chain.ts';
import type { DiskLayer } from '../../agent/disk/layer.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { hooksOfManifest, thinned } from '../../agent/sample/hooks.ts';
import { sampleLayer } from '../../agent/sample/sample-layer.ts';
import { runsIn, windowsIn } from '../../agent/sample/windows.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import type { ChunkRun } from '../../agent/scan/runs.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { isHook, NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';
import { KiB, MiB } from './scan-support.ts';
import { eachFolder, writeChain } from './support.ts';

const CHUNK_BYTES = 64 * KiB;
const pool = new ChunkPool({ workers: 2 });
afterAll(() => pool.close());
const { signal } = new AbortController();
const folder = eachFolder();

/** A layer of `megabytes` that are noise but for every fourth, which is zeros that its file holds. */
async function withLayer<T>(megabytes: number, use: (layer: DiskLayer) => Promise<T>): Promise<T> {
  const patches = Array.from({ length: megabytes }, (_, at) => ({ at: at * MiB, length: MiB, seed: at + 1 }));
  const written = patches.filter((_, at) => at % 4 !== 3);
  const [path] = await writeChain(folder.path(), [{ name: 'a.qcow2', patches: written }], megabytes * MiB);
  const chain = await openChain(path!, { imageFolder: folder.path() });
  try {
    return await use(chain.layers[0]!);
  } finally {
    await chain.close();
  }
}

const job = (layer: DiskLayer) => ({
  layer,
  chunkBytes: CHUNK_BYTES,
  pool,
  clock: systemClock,
  signal,
  up: 1e12,
  load: 1,
});

describe('a look into a layer', () => {
  it('frees no frame that is still being compressed, though another one has failed', async () => {
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const raws: Uint8Array[] = [];
    const zstd = {
      // Small ones are samples of frames.
      compress: async (raw: Uint8Array) => {
        if (raw.length < MiB) return raw.subarray(0, 1);
        await (raws.push(raw) === 1 ? first : second).promise;
        return Buffer.alloc(1);
      },
      decompress: async (payload: Uint8Array) => payload,
    };
    await withLayer(24, async (layer) => {
      const sampled = sampleLayer({ ...job(layer), zstd });
      await expect.poll(() => raws.length).toBe(2);
      first.reject(new Error('no memory'));
      await setImmediate();
      const { length } = raws[1]!;
      second.resolve();
      await expect(sampled).rejects.toThrow('no memory');
      expect(length).toBe(18 * MiB - limits.frame_raw_bytes_max);
      expect(raws.map((raw) => raw.length)).toEqual([0, 0]);
    });
  });

  it('reads all of a small one, and is exact', async () => {
    await withLayer(8, async (layer) => {
      const found = await sampleLayer(job(layer));
      expect([found.dataBytes, found.rawBytes]).toEqual([6 * MiB, 6 * MiB]);
      const hooks: string[] = [];
      for (const megabyte of [0, 1, 2, 4, 5, 6]) {
        const bytes = noise(MiB, megabyte + 1);
        for (let at = 0; at < MiB; at += CHUNK_BYTES) {
          const fingerprint = sha256(bytes.subarray(at, at + CHUNK_BYTES));
          if (isHook(fingerprint, limits.index_sampling_default)) hooks.push(toHex(fingerprint));
        }
      }
      expect(found.hooks.fingerprints.map(toHex)).toEqual(hooks);
      expect(found.hooks.all).toBe(hooks.length);
      expect(found.readMs + found.tried.compressMs).toBeGreaterThan(0);
    });
  });

  it('reads no more than it may of a large one, evenly, and extrapolates', async () => {
    await withLayer(96, async (layer) => {
      const found = await sampleLayer(job(layer));
      expect(found.rawBytes).toBeLessThanOrEqual(limits.survey_sample_bytes_max);
      expect(found.rawBytes).toBeGreaterThan(limits.survey_sample_bytes_max / 2);
      expect(Math.abs(found.dataBytes / (72 * MiB) - 1)).toBeLessThan(0.1);
      expect(found.hooks.all).toBeGreaterThan(2 * found.hooks.fingerprints.length);
      expect(found.tried.compressedBytes / found.rawBytes).toBeGreaterThan(0.5);
    });
  });

  it('of an empty one shows nothing', async () => {
    const [path] = await writeChain(folder.path(), [{ name: 'a.qcow2', patches: [] }]);
    const chain = await openChain(path!, { imageFolder: folder.path() });
    const found = await sampleLayer({ ...job(chain.layers[0]!), clock: createManualClock() });
    expect(found).toMatchObject({ dataBytes: 0, rawBytes: 0, readMs: 0, tried: { compressedBytes: 0, compressMs: 0 } });
    await chain.close();
  });
});

describe('how a layer compresses', () => {
  /** Levels and milliseconds that trying took, over a link of so many bytes a second, where a frame takes 40 ms a level and shrinks to one part of it. */
  async function triedOver(up: number) {
    let nowMs = 0;
    const clock = { ...createManualClock(), nowMs: () => nowMs };
    const levels: number[] = [];
    let triedBytes = 0;
    const zstd = {
      compress: async (raw: Uint8Array, { level }: { level: number }) => {
        if (raw.length < limits.survey_level_bytes) return raw.subarray(0, 1);
        levels.push(level);
        if (level > limits.pack_level_default) triedBytes += raw.length;
        nowMs += 40 * level;
        return Buffer.alloc(raw.length / level);
      },
      decompress: async (payload: Uint8Array) => payload,
    };
    const { tried } = await withLayer(48, (layer) => sampleLayer({ ...job(layer), clock, zstd, up }));
    return { levels, tried, triedBytes };
  }

  it('is tried at the level that a push over the link would come to', async () => {
    const { levels, tried, triedBytes } = await triedOver(1e6);
    expect(new Set(levels)).toEqual(new Set([limits.pack_level_default, limits.pack_level_max]));
    expect(tried.level).toBe(limits.pack_level_max);
    expect(tried.compressMs).toBeGreaterThanOrEqual(40 * limits.pack_level_max);
    expect(tried.compressMs / tried.lowestMs).toBeCloseTo(limits.pack_level_max / limits.pack_level_default);
    expect(tried.rawBytes / tried.compressedBytes).toBeCloseTo(limits.pack_level_max, 1);
    expect(triedBytes).toBe(2 * limits.survey_level_bytes);
  });

  it('is tried at the lowest alone where the link is the faster one', async () => {
    const { levels, tried } = await triedOver(1e9);
    expect(new Set(levels)).toEqual(new Set([limits.pack_level_default]));
    expect(tried.level).toBe(limits.pack_level_default);
  });
});

describe('pieces of a layer', () => {
  it('lie evenly in it, from its beginning to its end, as large as they are to be', () => {
    const piece = limits.survey_piece_bytes / CHUNK_BYTES;
    const windows = windowsIn(10_000, { piece, most: 512 });
    expect(windows).toHaveLength(512 / piece);
    expect(windows[0]!.from).toBe(0);
    expect(windows.at(-1)!.to).toBe(10_000);
    for (const { from, to } of windows) expect(to - from).toBe(piece);
    expect(windowsIn(512, { piece, most: 512 })).toEqual([{ from: 0, to: 512 }]);
  });

  it('are cut out of the runs that it holds', async () => {
    const runs = async function* (): AsyncGenerator<ChunkRun> {
      yield { chunk: 100, count: 10, kind: 'read' };
      yield { chunk: 200, count: 50, kind: 'zero' };
      yield { chunk: 300, count: 10, kind: 'read' };
    };
    const found: ChunkRun[] = [];
    for await (const run of runsIn(runs(), [
      { from: 2, to: 4 },
      { from: 8, to: 12 },
      { from: 18, to: 20 },
    ]))
      found.push(run);
    expect(found.map(({ chunk, count }) => [chunk, count])).toEqual([
      [102, 2],
      [108, 2],
      [300, 2],
      [308, 2],
    ]);
  });
});

describe('hooks of a manifest', () => {
  it('are those of its data chunks', async () => {
    await withLayer(8, async (layer) => {
      const manifests = new ManifestStore(folder.at('manifests'));
      const { layerId } = await scanLayer({
        layer,
        chunkBytes: CHUNK_BYTES,
        parent: NO_DIGEST,
        pool,
        manifests,
        signal,
      });
      const known = (await hooksOfManifest(manifests, layerId))!;
      const read = (await sampleLayer(job(layer))).hooks;
      expect(known.fingerprints.map(toHex)).toEqual(read.fingerprints.map(toHex));
      expect(known.all).toBe(read.all);
      expect(await hooksOfManifest(manifests, toHex(sha256(Buffer.from('another'))))).toBeUndefined();
    });
  });

  it('are read from so many segments at the most, and extrapolated', async () => {
    const [path] = await writeChain(folder.path(), [
      { name: 'a.raw', format: 'raw', patches: [{ at: 0, length: 4 * MiB, seed: 1 }] },
    ]);
    const chain = await openChain(path!, { imageFolder: folder.path() });
    const manifests = new ManifestStore(folder.at('manifests'));
    const before = { segments: limits.survey_segments_max, chunks: limits.segment_chunks };
    Object.assign(limits, { survey_segments_max: 4, segment_chunks: 32 });
    try {
      const layer = chain.layers[0]!;
      const { layerId } = await scanLayer({ layer, chunkBytes: 4 * KiB, parent: NO_DIGEST, pool, manifests, signal });
      let read = 0;
      const segment = manifests.segment.bind(manifests);
      manifests.segment = (...of) => {
        read++;
        return segment(...of);
      };
      const { all } = (await hooksOfManifest(manifests, layerId))!;
      expect(read).toBe(4);
      expect(Math.abs(all - 1024 / limits.index_sampling_default)).toBeLessThan(80);
    } finally {
      Object.assign(limits, { survey_segments_max: before.segments, segment_chunks: before.chunks });
      await chain.close();
    }
  });

  it('are thinned out to what a survey may tell: long lists give first', () => {
    const lists = [10, 3000, 3000].map((length) => Array.from({ length }, (_, at) => at));
    const left = thinned(lists, limits.survey_hooks_max);
    expect(left.map((list) => list.length)).toEqual([10, 2043, 2043]);
    expect(left[1]!.at(-1)).toBeGreaterThan(2990);
    expect(thinned(lists, 6010)).toEqual(lists);
  });
});
