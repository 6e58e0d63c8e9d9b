import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { openFrame } from '../../adapters/system/open-frame.ts';
import { threadedZstd, type Zstd } from '../../adapters/system/zstd.ts';
import { Enrolment, type EnrolmentOptions } from '../../agent/daemon/enrolment.ts';
import { createPlaces } from '../../agent/daemon/places.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { inOrder } from '../../agent/flow/in-order.ts';
import { findImages } from '../../agent/images/find.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { sealFrame } from '../../agent/pack/frame-codec.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import type { Scanner } from '../../agent/scan/job.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST } from '../../core/fingerprint.ts';
import { Segment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { MemoryStore } from '../agent/push-support.ts';
import { eachFolder, scripted } from '../agent/support.ts';
import { noise } from '../disk/support.ts';
import { Gauge } from './gauge.ts';

const MiB = 1024 * 1024;
const folder = eachFolder();
const quiet = new AbortController().signal;
const asTheyAre = { ...limits };
afterEach(() => void Object.assign(limits, asTheyAre));

describe('the buffers of an agent', () => {
  it('leave room for all else in 512 MB, whatever it sends and brings at the same time', () => {
    const frame = limits.frame_raw_bytes_max;
    const scan = limits.scan_buffers * limits.scan_buffer_bytes;
    // A frame that is being compressed has as much room for its output.
    const push = limits.pushes_at_once * (2 * limits.frames_in_flight * frame + limits.pack_memory_bytes);
    // A range is fetched whole, then opened frame by frame, some of them at a time.
    const pull = limits.pulls_at_once * (limits.pulls_in_flight + limits.unpacks_at_once) * frame;
    expect(scan + push).toBeLessThan(300 * MiB);
    expect(scan + pull).toBeLessThan(300 * MiB);
  });

  it('are those of one pool, of so many threads', async () => {
    const pools: (readonly SharedArrayBuffer[])[] = [];
    const scanner = (buffers: readonly SharedArrayBuffer[]): Scanner => {
      pools.push(buffers);
      return { isOpen: true, waiting: 0, run: () => Promise.reject(new Error()), close: async () => undefined };
    };
    const pool = new ChunkPool({ scanner });
    expect(pools).toHaveLength(Math.min(availableParallelism(), limits.scan_workers_max));
    expect(pools[0]!.map((buffer) => buffer.byteLength)).toEqual(
      Array(limits.scan_buffers).fill(limits.scan_buffer_bytes),
    );
    await pool.close();
  });
});

describe('places', () => {
  it.each(['pushes_at_once', 'pulls_at_once'] as const)('let %s work at a time', async (name) => {
    const places = createPlaces(limits[name]);
    const gauge = new Gauge();
    await Promise.all(Array.from({ length: limits[name] + 3 }, () => places(quiet, () => gauge.pass())));
    expect(gauge.most).toBe(limits[name]);
  });
});

describe('a push', () => {
  it('compresses, stores and settles no more at a time than it may, at the level it should', async () => {
    const chunkBytes = 4096;
    Object.assign(limits, { frame_raw_bytes_max: 64 * 1024, pack_raw_bytes_max: 128 * 1024, segment_chunks: 2 });
    writeFileSync(folder.at('disk.raw'), noise(6 * MiB, 1));
    const [frames, objects, levels] = [new Gauge(), new Gauge(), new Set<number>()];
    const zstd: Zstd = {
      ...threadedZstd,
      compress: (raw, options) => {
        levels.add(options.level);
        return frames.during(() => threadedZstd.compress(raw, options));
      },
    };
    const settling = new Set<string>();
    let settlingMost = 0;
    class Store extends MemoryStore {
      override put(...[kind, id, parts]: Parameters<MemoryStore['put']>) {
        if (kind === 'packs') settlingMost = Math.max(settlingMost, settling.add(id).size);
        const work = () => super.put(kind, id, parts);
        return kind === 'segments' || kind === 'placements' ? objects.during(work) : work();
      }

      override async commit(round: Parameters<MemoryStore['commit']>[0]) {
        await super.commit(round);
        settling.clear();
      }
    }
    const store = new Store('migration');
    const pool = new ChunkPool({ workers: 1 });
    const chain = await openChain(folder.at('disk.raw'), { imageFolder: folder.path() });
    const manifests = new ManifestStore(folder.at('manifests'));
    const job = { name: 'disk', layer: chain.layers[0]!, chunkBytes, totalBytes: 0, pool, manifests, zstd };
    try {
      const rest = { sink: store, clock: systemClock, signal: quiet };
      await pushLayer({ ...job, ...rest, treatment: 'direct', parent: NO_DIGEST });
    } finally {
      await chain.close();
      await pool.close();
    }
    expect(levels).toEqual(new Set([limits.pack_level_default]));
    expect(frames.most).toBeLessThanOrEqual(limits.frames_in_flight);
    expect(objects.most).toBe(limits.segments_in_flight);
    expect(settlingMost).toBeLessThanOrEqual(limits.packs_settling_max);
    expect(store.packsAtOnce).toBeLessThanOrEqual(limits.uploads_in_flight);
  });

  it('gives a full frame the widest window that a writer may, and a small one its own', async () => {
    const windowOf = async (bytes: number) => (await sealFrame(Buffer.alloc(bytes), 1)).head[6];
    expect(await windowOf(limits.frame_raw_bytes_max)).toBe(limits.frame_window_log);
    expect(await windowOf(MiB)).toBe(20);
  });

  it('gives the lowest level larger tables than its own', async () => {
    const tablesOf = async (bytes: number, level: number) => {
      const asked: (number | undefined)[] = [];
      const compress: Zstd['compress'] = (raw, options) => {
        if (raw.length === bytes) asked.push(options.hashLog);
        return threadedZstd.compress(raw, options);
      };
      const { head, payload } = await sealFrame(Buffer.alloc(bytes), level, { ...threadedZstd, compress });
      expect(await openFrame(Buffer.concat([head, payload]))).toHaveLength(bytes);
      return asked;
    };
    const full = limits.frame_raw_bytes_max;
    expect(await tablesOf(full, limits.pack_level_default)).toEqual([limits.pack_hash_log_default]);
    expect(await tablesOf(16 * 1024, limits.pack_level_default)).toEqual([15]);
    expect(await tablesOf(full, limits.pack_level_default + 1)).toEqual([undefined]);
  });
});

describe('work in order', () => {
  it('is done on so many items at a time', async () => {
    const gauge = new Gauge();
    for await (const _ of inOrder(Array(50).keys(), limits.segments_in_flight, () => gauge.pass()));
    expect(gauge.most).toBe(limits.segments_in_flight);
  });
});

describe('the manifest store', () => {
  it('gives every root, also those that it no longer has in memory', async () => {
    const manifests = new ManifestStore(folder.at('manifests'));
    const ids: string[] = [];
    for (let nth = 0; nth <= limits.agent_tasks_max; nth++) {
      const draft = await manifests.draft(geometryOf(4096 * (nth + 1), 4096), NO_DIGEST);
      const segment = new Segment(nth + 1);
      segment.setZero(nth);
      await draft.putSegment(0, segment);
      ids.push((await draft.seal()).layerId);
    }
    for (const pass of [ids, ids.toReversed()]) {
      for (const id of pass) expect((await manifests.root(id))?.geometry.chunks).toBe(ids.indexOf(id) + 1);
    }
  });
});

describe('an image folder', () => {
  it('may hold so many images and no more', async () => {
    Object.assign(limits, { image_files_max: 3 });
    mkdirSync(folder.at('images'));
    for (let nth = 0; nth < limits.image_files_max; nth++) writeFileSync(folder.at('images', `${nth}.raw`), '');
    expect(await findImages(folder.at('images'))).toHaveLength(limits.image_files_max);
    writeFileSync(folder.at('images', 'one-more.raw'), '');
    await expect(findImages(folder.at('images'))).rejects.toMatchObject({
      code: 'IMAGE_FOLDER_TOO_LARGE',
    });
  });
});

describe('an enrolment', () => {
  const calls: { vms: string[]; layers: string[] }[] = [];
  const api = scripted((_, { body }) => void calls.push(body as (typeof calls)[number]));
  const clock = createManualClock();

  it('tells of each base layer once, and of many in several calls', async () => {
    let layers = Array.from({ length: 10_000 }, (_, at) => at.toString(16).padStart(64, '0'));
    const known = {
      images: { vms: async () => [{ name: 'web-1' }] },
      catalog: { bases: async () => ({ held: layers, lost: [] }) },
      brought: { has: () => false },
      measures: { rates: () => ({}) },
    } as unknown as Pick<EnrolmentOptions, 'images' | 'catalog' | 'brought' | 'measures'>;
    const enrolment = new Enrolment({ ...known, ref: 'a/h1', api, clock, version: '1', freeBytes: async () => 1 });
    const renew = async () => {
      calls.length = 0;
      enrolment.expire();
      await enrolment.renew(quiet);
      return calls.map((each) => each.layers.length);
    };
    const max = limits.layers_per_enrolment_max;
    expect(await renew()).toEqual([max, max, layers.length - 2 * max]);
    expect(await renew()).toEqual([]);
    const [gone, ...kept] = layers;
    layers = kept;
    expect(await renew()).toEqual([]);
    layers = [gone!, ...kept, 'f'.repeat(64)];
    expect(await renew()).toEqual([2]);
  });
});
