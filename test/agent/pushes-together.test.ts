import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { createPlaces } from '../../agent/daemon/places.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { Pace } from '../../agent/pack/pace.ts';
import { pullLayer } from '../../agent/pull/pull-layer.ts';
import { Outbox } from '../../agent/push/outbox.ts';
import type { ObjectKind, PushRound, PushSink } from '../../agent/push/port.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { geometryOf } from '../../core/chunk.ts';
import { hasCode } from '../../core/errors.ts';
import { NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { decodePlacement } from '../../core/format/placement.ts';
import { limits } from '../../core/limits.ts';
import { expectSame, noise } from '../disk/support.ts';
import { Random } from '../fuzz/random.ts';
import { each, MemoryDisk, MemoryStore, shrinkLimits } from './push-support.ts';
import { KiB, MiB } from './scan-support.ts';
import { eachFolder } from './support.ts';

/** Pushes that share an agent's memory, uploads and chunks, some of which fail or are aborted. */
const folder = eachFolder();
const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: 1 * MiB });
const chunkBytes = 4 * KiB;
const PACK = 16 * chunkBytes;
const SEEDS = 16;
const PUSHES = 5;
beforeAll(() => {
  shrinkLimits(PACK / 2);
  Object.assign(limits, { pack_memory_bytes: 8 * PACK, packs_settling_max: 6 });
});
afterAll(() => pool.close());
const { signal } = new AbortController();
const CHUNKS = Array.from({ length: 200 }, (_, at) => noise(chunkBytes, at + 1));

/** Takes a while for packs. */
class SlowStore extends MemoryStore {
  readonly #random: Random;
  readonly #announced = new Set<string>();

  constructor(random: Random) {
    super('namespace');
    this.#random = random;
  }

  async while(): Promise<void> {
    for (let turns = this.#random.below(200); turns > 0; turns--) await setImmediate();
  }

  override async put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]) {
    if (kind === 'packs') await this.while();
    return super.put(kind, id, parts);
  }

  override async announce(packs: readonly string[], release?: string) {
    await this.while();
    await super.announce(packs, release);
    for (const pack of packs) this.#announced.add(pack);
  }

  /** The index names one pack for each chunk, be it in several. */
  override placements(_: string, bytes: Buffer): void {
    for (const { pack } of decodePlacement(bytes).frames)
      assert.ok(this.#announced.has(toHex(pack)), 'packs are stored and announced before placements');
  }

  /** One push's: it takes no more than so many packs of it. */
  sinkOf(rounds: PushRound[], packsMax: number): PushSink {
    let packs = 0;
    return {
      check: (fingerprints) => this.check(fingerprints),
      announce: (...told) => this.announce(...told),
      commit: async (round) => void rounds.push(round),
      put: async (kind, id, parts) => {
        if (kind === 'packs' && ++packs > packsMax) {
          await this.while();
          throw new Error('no room');
        }
        return this.put(kind, id, parts);
      },
    };
  }
}

type Fate = 'well' | 'fails' | 'aborted' | 'drained';

/** Stretches of what other layers have, too. */
function contentOf(random: Random): Buffer {
  const chunks: Buffer[] = [];
  for (let stretch = 0; stretch < 10; stretch++) {
    const from = random.below(CHUNKS.length);
    chunks.push(...CHUNKS.slice(from, from + 1 + random.below(40)));
  }
  return Buffer.concat(chunks);
}

it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
  'that share all, some of which fail: the others arrive, and nothing is left over (seed %i)',
  async (seed) => {
    const random = new Random(seed);
    const store = new SlowStore(random);
    const [outbox, pace, places] = [new Outbox(), new Pace(systemClock), createPlaces(limits.pushes_at_once)];
    const underway = outbox.underway('default');
    const manifests = new ManifestStore(folder.at('manifests'));

    const push = async (number: number) => {
      const content = contentOf(random);
      const fate: Fate = random.pick(['well', 'well', 'well', 'fails', 'aborted', 'drained']);
      const packsMax = fate === 'fails' ? random.below(20) : Number.POSITIVE_INFINITY;
      const turns = random.below(1500);
      const path = folder.at(`disk-${number}.raw`);
      writeFileSync(path, content);
      const chain = await openChain(path, { imageFolder: folder.path() });
      const layer = chain.layers[0]!;
      const { layerId } = await scanLayer({ layer, chunkBytes, parent: NO_DIGEST, pool, manifests, signal });
      const leaving = new AbortController();
      const rounds: PushRound[] = [];
      const disk = { name: path, layer, chunkBytes, totalBytes: content.length, pool, manifests };
      const shared = { outbox, underway, pace, clock: systemClock, sink: store.sinkOf(rounds, packsMax) };
      const until = fate === 'drained' ? { signal, drain: leaving.signal } : { signal: leaving.signal };
      const once = () =>
        places(leaving.signal, (packed) =>
          pushLayer({ ...disk, ...shared, ...until, treatment: 'dedup', layerId, packed }),
        );
      const sent = (async () => {
        for (let attempt = 1; ; attempt++) {
          try {
            return await once();
          } catch (error) {
            if (!hasCode(error, 'PACK_NOT_STORED') || attempt === limits.leaving_attempts_max) throw error;
            leaving.signal.throwIfAborted();
          }
        }
      })();
      sent.catch(() => undefined);
      const abort = async () => {
        for (let turn = 0; turn < turns; turn++) await setImmediate();
        leaving.abort(new Error('no longer wanted'));
      };
      if (fate === 'aborted' || fate === 'drained') await abort();
      return { sent, chain, fate, rounds, content, layerId };
    };

    const pushes = await Promise.all(Array.from({ length: PUSHES }, (_, number) => push(number)));
    for (const { sent, chain, fate, rounds, content, layerId } of pushes) {
      const error = await sent.then(
        () => undefined,
        (reason: Error) => reason.message,
      );
      if (fate === 'fails') expect([undefined, 'no room']).toContain(error);
      if (fate === 'aborted' || fate === 'drained') expect([undefined, 'no longer wanted']).toContain(error);
      if (fate === 'well') expect(error).toBeUndefined();
      await chain.close();
      if (error !== undefined) continue;
      expect(rounds.at(-1)).toMatchObject({ layerId });
      const geometry = geometryOf(content.length, chunkBytes);
      const writer = new MemoryDisk(content.length);
      const base = { name: layerId, geometry, parent: NO_DIGEST, source: store, writer, signal, totalBytes: 0 };
      await pullLayer({ ...base, rounds: each(rounds) });
      expectSame(writer.bytes, content);
    }
    expect(CHUNKS.map((chunk) => toHex(sha256(chunk))).filter(underway.now())).toEqual([]);
    await outbox.memory.take(limits.pack_memory_bytes, AbortSignal.timeout(1000));
    for (let slot = 0; slot < limits.uploads_in_flight; slot++) await outbox.uploads.take(AbortSignal.timeout(1000));
    // The link has nothing to carry, and nobody makes anything for it.
    pace.level = limits.pack_level_max;
    await expect.poll(() => pace.link.level).toBe(limits.pack_level_default);
  },
);
