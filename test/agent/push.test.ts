import { closeSync, openSync, readdirSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import type { Chain, DiskLayer } from '../../agent/disk/layer.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import type { Counts } from '../../agent/push/counts.ts';
import type { ObjectKind } from '../../agent/push/port.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { NO_DIGEST } from '../../core/fingerprint.ts';
import { DATA, decodeSegment } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';
import { MemoryStore, shrinkLimits, sleepClock } from './push-support.ts';
import { KiB, MiB } from './scan-support.ts';
import { eachFolder } from './support.ts';

const folder = eachFolder();
const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: 1 * MiB });
beforeAll(() => shrinkLimits(2 * UNIT));
afterAll(() => pool.close());
const quiet = new AbortController().signal;
const chunkBytes = 16 * KiB;
const UNIT = 16 * chunkBytes;
/** Two segments and a half of 128 chunks, five packs. */
const CONTENT = noise(20 * UNIT + 512, 9);

/** A raw disk, its manifest, and what pushes of it have in common. */
async function disk(use: (of: Awaited<ReturnType<typeof jobs>>) => Promise<void>, content = CONTENT) {
  const path = folder.at('disk.raw');
  writeFileSync(path, content);
  const chain = await openChain(path, { imageFolder: folder.path() });
  try {
    await use(await jobs(chain, path));
  } finally {
    await chain.close();
  }
}

async function jobs(chain: Chain, path: string) {
  const layer: DiskLayer = chain.layers[0]!;
  const manifests = new ManifestStore(folder.at('manifests'));
  const clock = sleepClock();
  const scan = { layer, chunkBytes, parent: NO_DIGEST, pool, manifests, signal: quiet };
  const base = { name: 'disk.raw', layer, chunkBytes, totalBytes: CONTENT.length, pool, manifests, clock };
  return {
    path,
    manifests,
    clock,
    known: async () => {
      const { layerId } = await scanLayer(scan);
      return { ...base, signal: quiet, treatment: 'dedup' as const, layerId };
    },
    direct: { ...base, signal: quiet, treatment: 'direct' as const, parent: NO_DIGEST },
  };
}

/** A store that fails, or never answers, at the n-th call of one kind. */
class FaultyStore extends MemoryStore {
  readonly seen: string[] = [];
  readonly #kind: string;
  readonly #fault: () => Promise<never>;
  #left: number;

  constructor(scope: 'namespace' | 'migration', kind: string, at: number, fault: () => Promise<never>) {
    super(scope);
    this.#kind = kind;
    this.#left = at;
    this.#fault = fault;
  }

  override async check(fingerprints: Uint8Array) {
    await this.#call('check');
    return super.check(fingerprints);
  }

  override async put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]) {
    await this.#call(kind);
    return super.put(kind, id, parts);
  }

  override async announce(packs: readonly string[], release?: string) {
    await this.#call('announce');
    return super.announce(packs, release);
  }

  override async commit(round: Parameters<MemoryStore['commit']>[0]) {
    await this.#call('commit');
    return super.commit(round);
  }

  async #call(kind: string) {
    this.seen.push(kind);
    if (kind === this.#kind && --this.#left === 0) await this.#fault();
  }
}

describe('pushLayer', () => {
  it('commits more of a segment whenever a pack is durable, and the layer last', () =>
    disk(async ({ direct }) => {
      const store = new MemoryStore('migration');
      const { layerId } = await pushLayer({ ...direct, sink: store });
      expect(store.rounds.length).toBeGreaterThan(3);
      expect(store.rounds.map((round) => round.layerId).filter(Boolean)).toEqual([layerId]);
      expect(store.rounds.at(-1)).toMatchObject({ layerId, segments: [] });
      const counts = new Map<number, number[]>();
      for (const { index, id } of store.rounds.flatMap(({ segments }) => segments)) {
        const data = decodeSegment(store.objects.get(`segments/${id}`)!).count(DATA);
        counts.set(index, [...(counts.get(index) ?? []), data]);
      }
      for (const each of counts.values()) expect(each).toEqual([...each].sort((a, b) => a - b));
      expect([...counts.values()].map((each) => each.at(-1))).toEqual([128, 128, 65]);
      expect(Math.max(...[...counts.values()].map((each) => each.length))).toBeGreaterThan(1);
    }));

  it('counts what it hands over, and tells of it as it goes', () =>
    disk(async ({ known }) => {
      const store = new MemoryStore('namespace');
      const told: Counts[] = [];
      const { counts } = await pushLayer({ ...(await known()), sink: store, progress: (each) => told.push(each) });
      const bytes = (kind: string) =>
        [...store.objects].reduce((sum, [key, object]) => sum + (key.startsWith(kind) ? object.length : 0), 0);
      expect(counts).toMatchObject({ doneBytes: CONTENT.length, totalBytes: CONTENT.length, dedupedBytes: 0 });
      expect(counts.storedBytes).toBe(bytes('packs/'));
      expect(counts.wireBytes).toBe(bytes('') + 32 * Math.ceil(CONTENT.length / chunkBytes));
      expect(told.at(-1)).toEqual(counts);
      const done = told.map(({ doneBytes }) => doneBytes);
      expect(done).toEqual([...done].sort((a, b) => a - b));
    }));

  it('reads and sends nothing of what the index has', () =>
    disk(async ({ known }) => {
      const store = new MemoryStore('namespace');
      const job = await known();
      await pushLayer({ ...job, sink: store });
      const packs = [...store.objects.keys()].filter((key) => key.startsWith('packs/'));
      store.rounds.length = 0;
      const unread = { ...job.layer, pieces: () => Promise.reject(new Error('nothing is to be read')) };
      const { counts } = await pushLayer({ ...job, layer: unread, sink: store });
      expect(counts).toMatchObject({ storedBytes: 0, dedupedBytes: CONTENT.length, doneBytes: CONTENT.length });
      expect([...store.objects.keys()].filter((key) => key.startsWith('packs/'))).toEqual(packs);
    }));

  it('stores what the layer holds twice once, and counts it as not sent', () =>
    disk(
      async ({ direct }) => {
        const store = new MemoryStore('migration');
        const { counts } = await pushLayer({ ...direct, sink: store });
        expect(counts.storedBytes).toBeLessThan(1.01 * UNIT);
        expect(counts).toMatchObject({ doneBytes: 3 * UNIT, dedupedBytes: 2 * UNIT });
      },
      Buffer.concat([
        CONTENT.subarray(0, UNIT),
        CONTENT.subarray(0, UNIT),
        CONTENT.subarray(0, UNIT),
        Buffer.alloc(UNIT),
      ]),
    ));

  it('asks for full segments alone and for thin ones together, the same for the same content', () =>
    disk(
      async ({ known }) => {
        const store = new MemoryStore('namespace');
        const asked: number[] = [];
        const check = store.check.bind(store);
        store.check = (fingerprints) => {
          asked.push(fingerprints.length / 32);
          return check(fingerprints);
        };
        const job = await known();
        await pushLayer({ ...job, sink: store });
        expect(asked.toSorted((a, b) => a - b)).toEqual([4, 128, 128]);
        const once = store.batches.splice(0).toSorted();
        store.rounds.length = 0;
        await pushLayer({ ...job, sink: store });
        expect(store.batches.toSorted()).toEqual(once);
        expect(store.released.toSorted()).toEqual(once);
      },
      // Segments of 128 chunks: one full, four with a chunk each, one full.
      Buffer.concat([
        CONTENT.subarray(0, 8 * UNIT),
        ...[1, 2, 3, 4].map((seed) => Buffer.concat([noise(chunkBytes, seed), Buffer.alloc(8 * UNIT - chunkBytes)])),
        CONTENT.subarray(8 * UNIT, 16 * UNIT),
      ]),
    ));

  it('shares the work with an agent that pushes the same layer: every chunk is sent once', () =>
    disk(async ({ known }) => {
      const job = await known();
      const shared = new MemoryStore('namespace');
      const owners = new Map<string, string>();
      const clock = { nowMs: () => 0, sleep: () => setImmediate() };
      const sinkOf = (owner: string) => {
        const sink = new MemoryStore('namespace');
        Object.assign(sink, { objects: shared.objects, index: shared.index });
        sink.tell = (fingerprint, batch) => {
          if (shared.index.has(fingerprint)) return 'have';
          if (!owners.has(batch)) owners.set(batch, owners.size % 2 === 0 ? 'a' : 'b');
          return owners.get(batch) === owner ? 'missing' : 'claimed';
        };
        return sink;
      };
      const pushed = await Promise.all(['a', 'b'].map((owner) => pushLayer({ ...job, clock, sink: sinkOf(owner) })));
      const [a, b] = pushed.map(({ counts }) => CONTENT.length - counts.dedupedBytes);
      expect(a! + b!).toBe(CONTENT.length);
      expect(Math.min(a!, b!)).toBeGreaterThan(0);
    }));

  it('waits for another’s claim no longer than it lasts', () =>
    disk(async ({ known, clock }) => {
      const store = new MemoryStore('namespace');
      store.tell = () => 'claimed';
      const { counts } = await pushLayer({ ...(await known()), sink: store });
      expect(counts.dedupedBytes).toBe(0);
      const slept = clock.slept.reduce((sum, ms) => sum + ms, 0);
      expect(slept).toBeGreaterThanOrEqual(limits.claim_ms);
      expect(slept).toBeLessThan(limits.claim_ms + 2 * limits.claim_poll_ms);
    }));

  it('asks for claimed batches again when the others are done, without waiting', () =>
    disk(async ({ known, clock }) => {
      const store = new MemoryStore('namespace');
      const claimed = new Set<string>();
      store.tell = (_, batch) => {
        const first = store.batches.length === 1;
        if (first) claimed.add(batch);
        return first ? 'claimed' : 'missing';
      };
      await pushLayer({ ...(await known()), sink: store });
      expect(store.batches).toHaveLength(4);
      expect(store.batches.at(-1)).toBe([...claimed][0]);
      expect(clock.slept).toEqual([]);
    }));

  it.each(['packs', 'announce', 'placements', 'segments', 'commit', 'layers', 'check'])(
    'fails with what the sink fails with, at %s, and commits no layer',
    (kind) =>
      disk(async ({ known }) => {
        const fault = () => Promise.reject(new Error(`${kind} failed`));
        const store = new FaultyStore('namespace', kind, kind === 'layers' ? 1 : 2, fault);
        await expect(pushLayer({ ...(await known()), sink: store })).rejects.toThrow(`${kind} failed`);
        expect(store.rounds.every((round) => round.layerId === undefined)).toBe(true);
        const calls = store.seen.length;
        await setImmediate();
        expect(store.seen.length).toBe(calls);
      }),
  );

  it.each(['packs', 'placements', 'segments', 'commit', 'layers'])(
    'stops at once when it is aborted while %s hangs',
    (kind) =>
      disk(async ({ direct }) => {
        const stop = new AbortController();
        const hang = () => {
          stop.abort(new Error('no more'));
          return new Promise<never>(() => undefined);
        };
        const store = new FaultyStore('migration', kind, 1, hang);
        await expect(pushLayer({ ...direct, sink: store, signal: stop.signal })).rejects.toThrow('no more');
        expect(store.rounds.every((round) => round.layerId === undefined)).toBe(true);
        expect(readdirSync(folder.at('manifests')).filter((name) => name.startsWith('draft'))).toEqual([]);
        const calls = store.seen.length;
        await setImmediate();
        expect(store.seen.length).toBe(calls);
      }),
  );

  it('stops at once while it waits for a claim, and before it has begun', () =>
    disk(async ({ known, clock }) => {
      const stop = new AbortController();
      const store = new MemoryStore('namespace');
      store.tell = () => 'claimed';
      const sleep = clock.sleep.bind(clock);
      clock.sleep = (ms, signal) => {
        stop.abort(new Error('no more'));
        return sleep(ms, signal);
      };
      const job = { ...(await known()), sink: store, signal: stop.signal };
      await expect(pushLayer(job)).rejects.toThrow('no more');
      store.batches.length = 0;
      await expect(pushLayer(job)).rejects.toThrow('no more');
      expect(store.batches).toEqual([]);
    }));

  it('notices that a layer is not what its manifest says, and stores no root', () =>
    disk(async ({ known, path }) => {
      const job = await known();
      const fd = openSync(path, 'r+');
      writeSync(fd, Buffer.from([1, 2, 3]), 0, 3, 200 * chunkBytes + 77);
      closeSync(fd);
      const store = new MemoryStore('namespace');
      await expect(pushLayer({ ...job, sink: store })).rejects.toMatchObject({
        code: 'LAYER_CHANGED',
        data: { layer: 'disk.raw', what: 'chunk 200' },
      });
      expect([...store.objects.keys()].filter((key) => key.startsWith('layers/'))).toEqual([]);
    }));

  it.each(['dedup', 'direct'] as const)('notices a file that is written meanwhile: %s', (treatment) =>
    disk(async ({ known, direct, path }) => {
      const job = treatment === 'dedup' ? await known() : direct;
      const store = new MemoryStore(treatment === 'dedup' ? 'namespace' : 'migration');
      const commit = store.commit.bind(store);
      store.commit = (round) => {
        utimesSync(path, 5, 5);
        return commit(round);
      };
      const before = treatment === 'dedup' ? 1 : 0;
      await expect(pushLayer({ ...job, sink: store })).rejects.toMatchObject({ code: 'LAYER_CHANGED' });
      expect([...store.objects.keys()].filter((key) => key.startsWith('layers/'))).toEqual([]);
      expect(readdirSync(folder.at('manifests'))).toHaveLength(before);
    }),
  );

  it('refuses what it can’t push: no manifest, another size, an answer that does not fit', () =>
    disk(async ({ known }) => {
      const job = await known();
      const store = new MemoryStore('namespace');
      const unknown = { ...job, sink: store, layerId: 'ab'.repeat(32) };
      await expect(pushLayer(unknown)).rejects.toMatchObject({ code: 'MANIFEST_UNKNOWN' });
      const other = { ...job, sink: store, chunkBytes: 2 * chunkBytes };
      await expect(pushLayer(other)).rejects.toMatchObject({ code: 'LAYER_CHANGED' });
      store.check = async () => ({ answers: [{ status: 'missing' }], frames: [], claimedUntilMs: 0 });
      await expect(pushLayer({ ...job, sink: store })).rejects.toMatchObject({ code: 'ANSWER_REFUSED' });
      const frame = { scope: 'namespace' as const, pack: NO_DIGEST, offset: 0, frameBytes: 99, rawBytes: 100 };
      store.check = async (fingerprints) => ({
        answers: Array.from({ length: fingerprints.length / 32 }, () => ({ status: 'have', frame: 0, rawOffset: 37 })),
        frames: [frame],
        claimedUntilMs: 0,
      });
      await expect(pushLayer({ ...job, sink: store })).rejects.toMatchObject({ code: 'ANSWER_REFUSED' });
    }));
});
