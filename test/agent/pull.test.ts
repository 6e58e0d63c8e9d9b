import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ManifestStore } from '../../agent/manifests/store.ts';
import type { Busy } from '../../agent/measure/busy.ts';
import type { OwnChunks } from '../../agent/pull/own-chunks.ts';
import type { WantedChunk } from '../../agent/pull/plan.ts';
import { type PullJob, type PullRound, pullLayer } from '../../agent/pull/pull-layer.ts';
import { rangesOf } from '../../agent/pull/ranges.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { decodePlacement } from '../../core/format/placement.ts';
import { limits } from '../../core/limits.ts';
import { expectSame } from '../disk/support.ts';
import { Gauge } from '../limits/gauge.ts';
import {
  chunkBytes,
  disk,
  expected,
  expectNothingWrong,
  finalSegments,
  folder,
  freshDisk,
  geometry,
  job,
  layerId,
  pushed,
  store,
  stored,
  virtualBytes,
} from './pull-support.ts';
import { each, type MemoryStore } from './push-support.ts';

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
    freshDisk();
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
    freshDisk();
    await pullLayer(job({ rounds: each<PullRound>([...first, ...stored.rounds]) }));
    expectSame(disk.bytes, expected);
    expect(store.readBytes).toBe(once);
  });

  it('fetch each frame once', async () => {
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
    const range = store.range.bind(store);
    let first = true;
    store.range = async (...of) => {
      const isFirst = first;
      first = false;
      const bytes = await range(...of);
      for (let turn = 0; isFirst && turn < 2000; turn++) await setImmediate();
      return bytes;
    };
    const rounds = each<PullRound>([...stored.rounds.slice(0, -1), ...later.store.rounds]);
    const { layerId: arrived } = await pullLayer(job({ rounds }));
    expect(arrived).toBe(later.layerId);
    expectSame(disk.bytes, later.disk);
  });

  it('bring what has to be fetched while what is here is copied, and fetch what could not be', async () => {
    const fetching = Promise.withResolvers<void>();
    const range = store.range.bind(store);
    let isCopying = true;
    let after = 0;
    store.range = (...of) => {
      fetching.resolve();
      if (!isCopying) after++;
      return range(...of);
    };
    const copy = async () => {
      await fetching.promise;
      isCopying = false;
      return new Set<WantedChunk>();
    };
    const own: Pick<OwnChunks, 'find'> = {
      find: async (frames) => ({ whole: frames.slice(0, 1), others: frames.slice(1), copy }),
    };
    await pullLayer(job({ own: own as OwnChunks }));
    expect(after).toBeGreaterThan(0);
    expectSame(disk.bytes, expected);
  });

  it('make the layer’s manifest, whatever earlier ones brought', async () => {
    const later = await pushed('manifest.qcow2', 24);
    for (const [key, bytes] of later.store.objects) store.objects.set(key, bytes);
    const manifests = new ManifestStore(folder.at('pulled'));
    const manifest = await manifests.draft(geometry, NO_DIGEST);
    await pullLayer(job({ manifest, rounds: each<PullRound>([...stored.rounds.slice(0, -1), ...later.store.rounds]) }));
    expect((await manifest.seal()).layerId).toBe(later.layerId);
    // Each proves itself.
    for (let index = 0; index < geometry.segments; index++) await manifests.segment(later.layerId, index);
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

describe('rangesOf', () => {
  const frame = (pack: number, offset: number, frameBytes: number) => ({
    place: { scope: 'migration' as const, pack: sha256(Buffer.from([pack])), offset, frameBytes, rawBytes: frameBytes },
    chunks: [],
  });
  const found = (...frames: ReturnType<typeof frame>[]) =>
    rangesOf(frames).map(({ offset, length, frames }) => [offset, length, frames.length]);
  const gap = limits.pull_gap_bytes;

  it('joins what lies near in one pack, in any order', () => {
    expect(found(frame(1, 300, 50), frame(1, 0, 100), frame(1, 100, 100))).toEqual([[0, 350, 3]]);
    expect(found(frame(1, 0, 100), frame(2, 100, 100))).toEqual([
      [0, 100, 1],
      [100, 100, 1],
    ]);
    expect(found(frame(1, 0, 100), frame(1, 100 + gap, 10))).toEqual([[0, 110 + gap, 2]]);
    expect(found(frame(1, 0, 100), frame(1, 101 + gap, 10))).toHaveLength(2);
  });

  it('keeps a request as small as a frame may be, and lets overlapping frames alone', () => {
    const most = limits.frame_raw_bytes_max;
    expect(found(frame(1, 0, most - 10), frame(1, most - 10, 10), frame(1, most, 10))).toEqual([
      [0, most, 2],
      [most, 10, 1],
    ]);
    expect(found(frame(1, 0, 100), frame(1, 50, 100))).toHaveLength(2);
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

  it('opens no more ranges at a time than allowed, and gives their memory back', async () => {
    const [given, gauge] = [[] as Uint8Array[], new Gauge()];
    const range = store.range.bind(store);
    const source = Object.create(store, {
      range: {
        value: async (...of: Parameters<MemoryStore['range']>) => {
          // In memory of its own, however short it is.
          const found = await range(...of);
          const memory = Buffer.allocUnsafeSlow(Buffer.poolSize + found.length);
          memory.set(found);
          given.push(memory);
          return memory.subarray(0, found.length);
        },
      },
    });
    const measure = <T>(work: () => Promise<T>) => gauge.during(work);
    await pullLayer(job({ source, unpacked: { measure } as unknown as Busy }));
    expect(gauge.most).toBeGreaterThan(0);
    expect(gauge.most).toBeLessThanOrEqual(limits.unpacks_at_once);
    expect(given.length).toBeGreaterThan(limits.unpacks_at_once);
    for (const bytes of given) expect(bytes).toHaveLength(0);
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
