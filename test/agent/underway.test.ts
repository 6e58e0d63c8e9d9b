import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { Outbox } from '../../agent/push/outbox.ts';
import type { ObjectKind, PushRound, PushSink } from '../../agent/push/port.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { Underway } from '../../agent/push/underway.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';
import { MemoryStore, shrinkLimits, sleepClock } from './push-support.ts';
import { KiB, MiB } from './scan-support.ts';
import { eachFolder } from './support.ts';

const folder = eachFolder();
const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: 1 * MiB });
const chunkBytes = 16 * KiB;
const packBytes = 32 * chunkBytes;
beforeAll(() => shrinkLimits(packBytes / 2));
afterAll(() => pool.close());
const { signal } = new AbortController();
/** Two segments, eight packs. */
const CONTENT = noise(8 * packBytes, 9);
const FINGERPRINTS = Array.from({ length: CONTENT.length / chunkBytes }, (_, at) =>
  toHex(sha256(CONTENT.subarray(at * chunkBytes, (at + 1) * chunkBytes))),
);

/** A store that takes packs only when it is told to. */
class HeldStore extends MemoryStore {
  readonly #held = Promise.withResolvers<void>();
  readonly go = () => this.#held.resolve();
  readonly fail = (error: Error) => this.#held.reject(error);
  begun = 0;
  /** The fingerprints of each batch that was asked for, by its digest. */
  readonly #asked = new Map<string, string[]>();

  override async check(fingerprints: Uint8Array) {
    const names = Array.from({ length: fingerprints.length / 32 }, (_, at) =>
      toHex(fingerprints.subarray(32 * at).subarray(0, 32)),
    );
    this.#asked.set(toHex(sha256(fingerprints)), names);
    return super.check(fingerprints);
  }

  override async announce(packs: readonly string[], release?: string) {
    await super.announce(packs, release);
    const missing = this.#asked.get(release ?? '')?.filter((name) => !this.index.has(name)) ?? [];
    assert.deepEqual(missing, [], 'a claim ends once the index has all of its batch');
  }

  override async put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]) {
    if (kind === 'packs') {
      this.begun++;
      await this.#held.promise;
    }
    return super.put(kind, id, parts);
  }

  /** For another layer, whose rounds are its own. */
  other(rounds: PushRound[]): PushSink {
    return {
      check: (fingerprints) => this.check(fingerprints),
      put: (...object) => this.put(...object),
      announce: (...packs) => this.announce(...packs),
      commit: async (round) => void rounds.push(round),
    };
  }
}

/** One push has packed all of a layer, and the store has none of it, when another one begins that has the same. */
async function twoPushes(use: (of: Awaited<ReturnType<typeof begin>>) => Promise<void>) {
  const path = folder.at('disk.raw');
  writeFileSync(path, CONTENT);
  const chain = await openChain(path, { imageFolder: folder.path() });
  try {
    await use(await begin(chain.layers[0]!));
  } finally {
    await chain.close();
  }
}

async function begin(layer: Awaited<ReturnType<typeof openChain>>['layers'][0]) {
  const manifests = new ManifestStore(folder.at('manifests'));
  const { layerId } = await scanLayer({ layer, chunkBytes, parent: NO_DIGEST, pool, manifests, signal });
  const outbox = new Outbox();
  const underway = outbox.underway('default');
  const store = new HeldStore('namespace');
  const disk = { name: 'disk.raw', layer, chunkBytes, totalBytes: CONTENT.length, pool, manifests };
  const how = { ...disk, treatment: 'dedup', layerId, clock: sleepClock(), signal, outbox, underway } as const;
  const packed = Promise.withResolvers<void>();
  const first = pushLayer({ ...how, sink: store, packed: packed.resolve });
  await packed.promise;
  expect([store.begun, store.index.size]).toEqual([limits.uploads_in_flight, 0]);
  const rounds: PushRound[] = [];
  const asked = store.batches.length;
  const leaving = new AbortController();
  const second = pushLayer({ ...how, signal: leaving.signal, sink: store.other(rounds) });
  await expect.poll(() => store.batches.length).toBe(2 * asked);
  expect(FINGERPRINTS.filter(underway.now())).toEqual(FINGERPRINTS);
  return { store, outbox, underway, first, second, leaving, rounds, layerId };
}

it('sends nothing again that another push is sending, and names it once it is there', () =>
  twoPushes(async ({ store, underway, first, second, rounds, layerId }) => {
    expect(rounds).toEqual([]);
    store.go();
    const [{ counts: sent }, { counts }] = await Promise.all([first, second]);
    expect(sent).toMatchObject({ dedupedBytes: 0, doneBytes: CONTENT.length });
    expect(sent.storedBytes).toBeGreaterThan(CONTENT.length);
    expect(counts).toMatchObject({ storedBytes: 0, dedupedBytes: CONTENT.length, doneBytes: CONTENT.length });
    expect(rounds.at(-1)).toMatchObject({ layerId });
    expect(store.begun).toBe(CONTENT.length / packBytes);
    expect(store.packsAtOnce).toBe(limits.uploads_in_flight);
    expect(FINGERPRINTS.filter(underway.now())).toEqual([]);
  }));

it('can be begun anew if the push whose packs it waits for fails, and leaves their memory to others', () =>
  twoPushes(async ({ store, outbox, underway, first, second, rounds }) => {
    store.fail(new Error('no room'));
    await expect(first).rejects.toThrow('no room');
    // As sendLayer does: the other one may be of a migration that was aborted.
    await expect(second).rejects.toMatchObject({ code: 'PACK_NOT_STORED', cause: { message: 'no room' } });
    expect(rounds).toEqual([]);
    expect(FINGERPRINTS.filter(underway.now())).toEqual([]);
    await outbox.memory.take(limits.pack_memory_bytes, signal);
  }));

it('looks into packs for what is wanted alone, and tells of those that have come since as well', async () => {
  const underway = new Underway();
  const asked: string[] = [];
  const announced = Promise.withResolvers<void>();
  const place = { frame: {} as never, rawOffset: 7 };
  const placeOf = (fingerprint: string) => {
    asked.push(fingerprint);
    return fingerprint === 'here' ? place : undefined;
  };
  underway.add({ placeOf, announced: announced.promise });
  const find = underway.now();
  expect(asked).toEqual([]);
  announced.resolve();
  const found = find('here');
  expect(found?.place).toBe(place);
  await found?.there;
  expect(find('elsewhere')).toBeUndefined();
  expect(asked).toEqual(['here', 'elsewhere']);
  expect(underway.now()('here')).toBeUndefined();
});

it('waits for no other push any more once it is aborted', () =>
  twoPushes(async ({ store, first, second, leaving, rounds }) => {
    leaving.abort(new Error('no longer wanted'));
    await expect(second).rejects.toThrow('no longer wanted');
    expect(store.objects.size).toBe(0);
    store.go();
    await first;
    expect(rounds).toEqual([]);
  }));
