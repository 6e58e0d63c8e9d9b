import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openChain } from '../../agent/disk/layer.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { sealFrame } from '../../agent/pack/frame-codec.ts';
import type { PullRound } from '../../agent/pull/pull-layer.ts';
import { type PullJob, pullLayer } from '../../agent/pull/pull-layer.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { decodePlacement, encodePlacement, type Placement } from '../../core/format/placement.ts';
import { limits } from '../../core/limits.ts';
import { expectSame, noise, tempFolder } from '../disk/support.ts';
import { each, MemoryDisk, MemoryStore, shrinkLimits, sleepClock, UNTOUCHED } from './push-support.ts';
import { KiB } from './scan-support.ts';

const quiet = new AbortController().signal;
const chunkBytes = 16 * KiB;
const UNIT = 16 * chunkBytes;
const folder = tempFolder();
const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: UNIT });
afterAll(() => pool.close());
const virtualBytes = 20 * UNIT + 512;
shrinkLimits(2 * UNIT);
const geometry = geometryOf(virtualBytes, chunkBytes);
const NOBODY = Buffer.alloc(chunkBytes, UNTOUCHED);

/** A disk with data, a hole and explicit zeros, pushed once; tests work on copies of what was stored. */
let stored: MemoryStore;
let layerId: string;
let expected: Buffer;

async function pushed(name: string, seed: number): Promise<{ store: MemoryStore; layerId: string; disk: Buffer }> {
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

let store: MemoryStore;
let disk: MemoryDisk;
beforeEach(() => {
  store = new MemoryStore('migration');
  for (const [key, bytes] of stored.objects) store.objects.set(key, Buffer.from(bytes));
  disk = new MemoryDisk(virtualBytes);
});

function job(more: Partial<PullJob> = {}): PullJob {
  const base = { name: 'disk.qcow2', geometry, parent: NO_DIGEST, source: store, writer: disk, signal: quiet };
  return { ...base, rounds: each(stored.rounds), totalBytes: 0, ...more };
}

/** Every chunk is as nobody wrote it, or right. */
function expectNothingWrong() {
  for (let at = 0; at < virtualBytes; at += chunkBytes) {
    const found = disk.bytes.subarray(at, at + chunkBytes);
    if (found.equals(NOBODY.subarray(0, found.length))) continue;
    expect(Buffer.compare(found, expected.subarray(at, at + chunkBytes)), `chunk ${at / chunkBytes}`).toBe(0);
  }
}

const keys = (kind: string) => [...store.objects.keys()].filter((key) => key.startsWith(`${kind}/`));

/** The objects that the last version of each segment needs. */
function finalSegments(): string[] {
  const latest = new Map(stored.rounds.flatMap(({ segments }) => segments).map(({ index, id }) => [index, id]));
  return [...latest.values()];
}

describe('damage', () => {
  const damages: [string, (bytes: Buffer) => Buffer][] = [
    ['a bit flipped at the front', (bytes) => flipped(bytes, 2)],
    ['a bit flipped in the middle', (bytes) => flipped(bytes, bytes.length >> 1)],
    ['a bit flipped near the end', (bytes) => flipped(bytes, bytes.length - 20)],
    ['cut in the middle', (bytes) => bytes.subarray(0, bytes.length >> 1)],
    ['empty', () => Buffer.alloc(0)],
    ['one byte more', (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])],
  ];
  const codes: Record<string, string> = {
    layers: 'MANIFEST_CORRUPT',
    segments: 'MANIFEST_CORRUPT',
    placements: 'PLACEMENT_CORRUPT',
  };

  function flipped(bytes: Buffer, at: number): Buffer {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 0x10;
    return copy;
  }

  it.each(Object.keys(codes).flatMap((kind) => damages.map(([how, damage]) => [kind, how, damage] as const)))(
    'of %s is noticed and named: %s',
    async (kind, _, damage) => {
      for (const key of keys(kind)) {
        if (kind !== 'layers' && !finalSegments().includes(key.split('/')[1]!)) continue;
        const whole = store.objects.get(key)!;
        store.objects.set(key, damage(whole));
        const damaged = pullLayer(job());
        await expect(damaged, key).rejects.toMatchObject({ code: codes[kind], data: { layer: 'disk.qcow2' } });
        expectNothingWrong();
        store.objects.set(key, whole);
      }
    },
  );

  it('of packs is noticed before the chunk is written, wherever it is', async () => {
    for (const key of keys('packs')) {
      const whole = store.objects.get(key)!;
      for (const at of [4, 5, 9, 25, 40, 5000, Math.floor(whole.length * 0.9)]) {
        store.objects.set(key, flipped(whole, Math.min(at, whole.length - 3000)));
        disk = new MemoryDisk(virtualBytes);
        const refusal = { code: expect.stringMatching(/^(FRAME_CORRUPT|FORMAT_VERSION)$/) };
        await expect(pullLayer(job()), `${key} ${at}`).rejects.toMatchObject(refusal);
        expectNothingWrong();
      }
      store.objects.set(key, whole.subarray(0, whole.length >> 1));
      await expect(pullLayer(job())).rejects.toMatchObject({
        code: 'FRAME_CORRUPT',
        data: { layer: 'disk.qcow2', chunk: expect.any(Number) },
      });
      store.objects.set(key, whole);
    }
  });

  /** Stores other placements for the last version of the first segment. */
  function replacePlacement(change: (placement: Placement) => Placement) {
    const key = `placements/${finalSegments()[0]}`;
    store.objects.set(key, encodePlacement(change(decodePlacement(store.objects.get(key)!))));
  }
  const stored_ = () => pullLayer(job({ rounds: { layerId } }));

  it('that carries a right checksum is found by the fingerprint', async () => {
    const raw = noise(2 * UNIT, 77);
    const sealed = await sealFrame(raw, 1);
    const forged = Buffer.concat([sealed.head, sealed.payload]);
    const pack = sha256(forged);
    store.objects.set(`packs/${toHex(pack)}`, forged);
    replacePlacement(({ frames, runs }) => {
      const frame = { scope: 'migration' as const, pack, offset: 0, frameBytes: forged.length, rawBytes: raw.length };
      return { frames: [frame, ...frames.slice(1)], runs };
    });
    const refusal = { code: 'CHUNK_CORRUPT', data: { layer: 'disk.qcow2', chunk: 0, pack: toHex(pack), offset: 0 } };
    await expect(stored_()).rejects.toMatchObject(refusal);
    expectNothingWrong();
  });

  it('that swaps the places of chunks is found by the fingerprint', async () => {
    replacePlacement(({ frames, runs }) => {
      const [first, ...rest] = runs;
      return {
        frames,
        runs: [{ ...first!, rawOffset: first!.rawOffset + chunkBytes, count: 1 }, ...split(first!), ...rest],
      };
    });
    await expect(stored_()).rejects.toMatchObject({ code: 'CHUNK_CORRUPT', data: { chunk: 0 } });
    expectNothingWrong();
  });

  function split(run: Placement['runs'][number]) {
    return [{ ...run, chunk: run.chunk + 1, count: run.count - 1, rawOffset: run.rawOffset + chunkBytes }];
  }

  it.each<[string, (placement: Placement) => Placement]>([
    ['leaves a chunk out', ({ frames, runs }) => ({ frames, runs: runs.slice(1) })],
    ['places a chunk that is no data', ({ frames, runs }) => ({ frames, runs: [...runs.slice(1), ...atEnd(runs)] })],
    ['reaches over its frame', ({ frames, runs }) => ({ frames: frames.map(shortened), runs })],
    ['names a frame of gigabytes', ({ frames, runs }) => ({ frames: frames.map(huge), runs })],
  ])('refuses a placement that %s', async (_, change) => {
    replacePlacement(change);
    await expect(stored_()).rejects.toMatchObject({ code: 'PLACEMENT_CORRUPT', data: { layer: 'disk.qcow2' } });
    expectNothingWrong();
  });

  const atEnd = (runs: Placement['runs']) => [{ ...runs[0]!, chunk: 150, count: 10 }].filter(() => runs.length > 0);
  const shortened = (frame: Placement['frames'][number]) => ({ ...frame, rawBytes: frame.rawBytes - 1 });
  const huge = (frame: Placement['frames'][number]) => ({ ...frame, frameBytes: 2 ** 32 - 1 });

  it('that is gone when the object is fetched once more does no harm', async () => {
    const fetched = new Map<string, number>();
    const flaky = (key: string, bytes: Uint8Array) => {
      const times = (fetched.get(key) ?? 0) + 1;
      fetched.set(key, times);
      return times === 1 ? flipped(Buffer.from(bytes), bytes.length >> 1) : bytes;
    };
    const source = {
      root: async (id: string) => flaky(`root ${id}`, await store.root(id)),
      segment: async (id: string) => flaky(`segment ${id}`, await store.segment(id)),
      placement: async (id: string) => flaky(`placement ${id}`, await store.placement(id)),
      range: async (...of: Parameters<MemoryStore['range']>) => flaky(of[1], await store.range(...of)),
    };
    await pullLayer(job({ source }));
    expectSame(disk.bytes, expected);
  });

  it('is told from absence', async () => {
    for (const kind of ['packs', 'placements', 'segments', 'layers']) {
      const key =
        kind === 'packs'
          ? keys(kind)[0]!
          : keys(kind).find((each) => each.endsWith(layerId) || finalSegments().includes(each.split('/')[1]!))!;
      const bytes = store.objects.get(key)!;
      store.objects.delete(key);
      await expect(pullLayer(job()), kind).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
      store.objects.set(key, bytes);
    }
  });
});

describe('rounds', () => {
  const refused = async (more: Partial<PullJob>, code: string) => {
    await expect(pullLayer(job(more))).rejects.toMatchObject({ code });
    expectNothingWrong();
  };
  const last = { segments: [], layerId: '' };

  it('that stop before the last one are an error', () =>
    refused({ rounds: each(stored.rounds.slice(0, -1)) }, 'ROUNDS_ENDED'));

  it('must bring what the root names, no less and no other', async () => {
    last.layerId = layerId;
    await refused({ rounds: each([...stored.rounds.slice(1, 2), last]) }, 'MANIFEST_CORRUPT');
    const other = await pushed('other.qcow2', 22);
    for (const [key, bytes] of other.store.objects) store.objects.set(key, bytes);
    await expect(pullLayer(job({ rounds: each([...other.store.rounds.slice(0, -1), last]) }))).rejects.toMatchObject({
      code: 'MANIFEST_CORRUPT',
    });
  });

  it('of another disk, or on another parent, are refused', async () => {
    const parent = sha256(Buffer.from('another'));
    await refused({ parent }, 'MANIFEST_CORRUPT');
    disk = new MemoryDisk(virtualBytes);
    await refused({ parent, rounds: { layerId } }, 'MANIFEST_CORRUPT');
    expect(disk.writes).toBe(0);
    await refused({ geometry: geometryOf(virtualBytes - 512, chunkBytes), rounds: { layerId } }, 'MANIFEST_CORRUPT');
    expect(disk.writes).toBe(0);
    const id = finalSegments()[0]!;
    await refused({ rounds: each([{ segments: [{ index: 3, id }] }]) }, 'MANIFEST_CORRUPT');
    await refused({ rounds: each([{ segments: [{ index: 2, id }] }]) }, 'MANIFEST_CORRUPT');
    expect(disk.writes).toBe(0);
  });

  it('that come again after an attempt of the source that ended early do no harm, and fetch little', async () => {
    const first = stored.rounds.slice(0, 3);
    await pullLayer(job());
    const once = store.readBytes;
    store.readBytes = 0;
    disk = new MemoryDisk(virtualBytes);
    await pullLayer(job({ rounds: each<PullRound>([...first, ...stored.rounds]) }));
    expectSame(disk.bytes, expected);
    expect(store.readBytes).toBe(once);
  });

  it('fetch each frame once, near ones together', async () => {
    const ranges: number[] = [];
    const range = store.range.bind(store);
    store.range = (...of) => {
      ranges.push(of[3]);
      return range(...of);
    };
    await pullLayer(job());
    const frames = new Set<string>();
    for (const id of finalSegments()) {
      for (const { pack, offset, frameBytes } of decodePlacement(store.objects.get(`placements/${id}`)!).frames)
        frames.add(`${toHex(pack)} ${offset} ${frameBytes}`);
    }
    const needed = [...frames].reduce((sum, frame) => sum + Number(frame.split(' ')[2]), 0);
    expect(ranges.reduce((sum, length) => sum + length, 0)).toBe(needed);
  });

  it('that write again where earlier ones wrote win, however slow the earlier ones are', async () => {
    const later = await pushed('later.qcow2', 23);
    for (const [key, bytes] of later.store.objects) store.objects.set(key, bytes);
    const early = new Set(keys('packs').filter((key) => stored.objects.has(key)));
    const range = store.range.bind(store);
    store.range = async (...of) => {
      if (early.has(`packs/${of[1]}`)) for (let turn = 0; turn < 50; turn++) await setImmediate();
      return range(...of);
    };
    const rounds = each<PullRound>([...stored.rounds.slice(0, -1), ...later.store.rounds]);
    const { layerId: arrived } = await pullLayer(job({ rounds }));
    expect(arrived).toBe(later.layerId);
    expectSame(disk.bytes, later.disk);
  });

  it('are taken as they come: what is committed is written before the next is known', async () => {
    let release = () => {};
    const waiting = new Promise<void>((resolve) => {
      release = resolve;
    });
    async function* slow() {
      yield* stored.rounds.slice(0, 2);
      await waiting;
      yield* stored.rounds.slice(2);
    }
    const pulling = pullLayer(job({ rounds: slow() }));
    await expect.poll(() => disk.writes).toBeGreaterThan(0);
    release();
    await pulling;
    expectSame(disk.bytes, expected);
  });
});

describe('bounds', () => {
  it('has no more ranges in work than allowed', async () => {
    for (const concurrency of [1, 2, undefined]) {
      let now = 0;
      let most = 0;
      const range = store.range.bind(store);
      const source = Object.create(store, {
        range: {
          value: async (...of: Parameters<MemoryStore['range']>) => {
            most = Math.max(most, ++now);
            await setImmediate();
            now--;
            return range(...of);
          },
        },
      });
      await pullLayer(job({ source, concurrency }));
      expect(most).toBeLessThanOrEqual(concurrency ?? limits.pulls_in_flight);
      expect(most).toBeGreaterThan(0);
    }
  });

  it.each(['root', 'segment', 'placement', 'range', 'rounds'] as const)(
    'stops at once while %s hangs, and writes nothing afterwards',
    async (call) => {
      const stop = new AbortController();
      const never = new Promise<never>(() => undefined);
      const hang = () => {
        setImmediate().then(() => stop.abort(new Error('no more')));
        return never;
      };
      const source = call === 'rounds' ? store : Object.create(store, { [call]: { value: hang } });
      async function* hanging(): AsyncGenerator<PullRound> {
        yield* stored.rounds.slice(0, 2);
        yield await hang();
      }
      const rounds = call === 'rounds' ? hanging() : each(stored.rounds);
      await expect(pullLayer(job({ source, rounds, signal: stop.signal }))).rejects.toThrow('no more');
      const { writes } = disk;
      await setImmediate();
      expect(disk.writes).toBe(writes);
      expectNothingWrong();
    },
  );

  it('waits for a write that is under way before it gives up', async () => {
    const stop = new AbortController();
    let writing = 0;
    const write = disk.write.bind(disk);
    disk.write = async (offset, bytes) => {
      writing++;
      stop.abort(new Error('no more'));
      await setImmediate();
      await write(offset, bytes);
      writing--;
    };
    await expect(pullLayer(job({ signal: stop.signal }))).rejects.toThrow('no more');
    expect(writing).toBe(0);
    expectNothingWrong();
  });

  it('passes a full disk on', async () => {
    disk.write = () => Promise.reject(new Error('the disk is full'));
    await expect(pullLayer(job())).rejects.toThrow('the disk is full');
  });
});
