import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import type { DiskLayer } from '../../agent/disk/layer.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { pullLayer } from '../../agent/pull/pull-layer.ts';
import { pushLayer } from '../../agent/push/push-layer.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { geometryOf } from '../../core/chunk.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { expectSame, tempFolder } from '../disk/support.ts';
import { each, expectedDisk, MemoryDisk, MemoryStore, shrinkLimits, sleepClock } from './push-support.ts';
import { type ChainSpec, chainSpecs, chunksOf, expectedLayerId, isZeros, KiB, MiB, withChain } from './scan-support.ts';

const folder = tempFolder();
const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: 1 * MiB });
beforeAll(() => shrinkLimits(2 * MiB));
afterAll(() => pool.close());
const signal = new AbortController().signal;
const RUNS = 4;

/** An index that tells of some of what it has, and says of some batches that another agent is sending them. */
class MoodyStore extends MemoryStore {
  readonly #share: number;
  readonly #asked = new Map<string, number>();

  /** `share` of 256 fingerprints are told of; a batch is claimed as often as the last digit of its digest says, mod 4. */
  constructor(share: number) {
    super('namespace');
    this.#share = share;
  }

  override async check(fingerprints: Uint8Array) {
    const answer = await super.check(fingerprints);
    const batch = this.batches.at(-1)!;
    this.#asked.set(batch, (this.#asked.get(batch) ?? 0) + 1);
    return answer;
  }

  override tell(fingerprint: string, batch: string) {
    const claims = Number.parseInt(batch.at(-1)!, 16) % 4;
    if (this.index.has(fingerprint) && Number.parseInt(fingerprint.slice(0, 2), 16) < this.#share) return 'have';
    return (this.#asked.get(batch) ?? 0) < claims ? 'claimed' : 'missing';
  }
}

function dataBytesOf(chunks: readonly (Buffer | undefined)[]): number {
  return chunks.reduce((sum, chunk) => sum + (chunk === undefined || isZeros(chunk) ? 0 : chunk.length), 0);
}

/** Pulls what a store has, round by round and as stored, and compares both with the model. */
async function expectArrives(store: MemoryStore, spec: ChainSpec, chunks: (Buffer | undefined)[], parent: Uint8Array) {
  const { virtualBytes, chunkBytes } = spec;
  const expected = expectedDisk(chunks, chunkBytes, virtualBytes);
  const layerId = expectedLayerId(spec, chunks, parent, limits.segment_chunks);
  for (const rounds of [each(store.rounds), { layerId }]) {
    const writer = new MemoryDisk(virtualBytes);
    const geometry = geometryOf(virtualBytes, chunkBytes);
    const job = { name: 'layer', geometry, parent, source: store, writer, signal, totalBytes: 0 };
    const pulled = await pullLayer({ ...job, rounds });
    expect(pulled.layerId).toBe(layerId);
    expect(pulled.counts.doneBytes).toBe(dataBytesOf(chunks));
    expectSame(writer.bytes, expected);
  }
}

const sizes = [
  [4 * KiB, 1500],
  [64 * KiB, 135],
  [1 * MiB, 9],
] as const;

describe('push and pull', () => {
  it.each(sizes)(
    'bring layers with a manifest, in chunks of %i, whatever the index tells',
    async (chunkBytes, chunks) => {
      const property = fc.asyncProperty(chainSpecs(chunkBytes, chunks), fc.constantFrom(0, 90, 256), (spec, share) =>
        withChain(folder.path(), spec, async (chain, model, dir) => {
          const manifests = new ManifestStore(`${dir}/manifests`);
          const store = new MoodyStore(share);
          let parent: Uint8Array = NO_DIGEST;
          for (const [depth, layer] of chain.layers.entries()) {
            const expected = chunksOf(spec, model[depth]!);
            const { layerId, dataBytes } = await scanLayer({ layer, chunkBytes, parent, pool, manifests, signal });
            const base = { name: 'layer', layer, chunkBytes, pool, manifests, clock: sleepClock(), signal };
            const job = { ...base, treatment: 'dedup' as const, layerId, totalBytes: dataBytes };
            for (let time = 0; time < 2; time++) {
              store.rounds.length = 0;
              const pushed = await pushLayer({ ...job, sink: store });
              expect(pushed.layerId).toBe(expectedLayerId(spec, expected, parent, limits.segment_chunks));
              expect(pushed.counts).toMatchObject({ doneBytes: dataBytes, totalBytes: dataBytes });
              await expectArrives(store, spec, expected, parent);
            }
            parent = fromHex(layerId);
          }
          expect(store.packsAtOnce).toBeLessThanOrEqual(limits.uploads_in_flight);
        }),
      );
      await fc.assert(property, { numRuns: RUNS });
    },
  );

  it.each(sizes)('bring layers directly, in chunks of %i', async (chunkBytes, chunks) => {
    const property = fc.asyncProperty(chainSpecs(chunkBytes, chunks), (spec) =>
      withChain(folder.path(), spec, async (chain, model, dir) => {
        const manifests = new ManifestStore(`${dir}/manifests`);
        const store = new MemoryStore('migration');
        const layer = chain.layers.at(-1)!;
        const expected = chunksOf(spec, model.at(-1)!);
        const base = { name: 'layer', layer, chunkBytes, pool, manifests, clock: sleepClock(), signal };
        const job = { ...base, treatment: 'direct' as const, parent: NO_DIGEST, totalBytes: 0 };
        const pushed = await pushLayer({ ...job, sink: store });
        expect(pushed.layerId).toBe(expectedLayerId(spec, expected, NO_DIGEST, limits.segment_chunks));
        expect(pushed.counts.doneBytes).toBe(dataBytesOf(expected));
        expect(await manifests.root(pushed.layerId)).toEqual(pushed.root);
        expect(store.packsAtOnce).toBeLessThanOrEqual(limits.uploads_in_flight);
        await expectArrives(store, spec, expected, NO_DIGEST);
      }),
    );
    await fc.assert(property, { numRuns: RUNS });
  });

  it('bring a chain to files that scan to the same layer ids', async () => {
    const chunkBytes = 64 * KiB;
    const arbitrary = chainSpecs(chunkBytes, 60);
    const property = fc.asyncProperty(arbitrary, (spec) =>
      withChain(folder.path(), spec, async (chain, _, dir) => {
        const manifests = new ManifestStore(`${dir}/manifests`);
        let parent: Uint8Array = NO_DIGEST;
        let below: string | undefined;
        for (const [depth, layer] of chain.layers.entries()) {
          const store = new MemoryStore('migration');
          const base = { name: 'layer', layer, chunkBytes, pool, manifests, clock: sleepClock(), signal };
          const job = { ...base, treatment: 'direct' as const, parent, totalBytes: 0 };
          const { layerId } = await pushLayer({ ...job, sink: store });
          below = await pullInto(dir, `arrived-${depth}.qcow2`, below, { layer, layerId, parent, chunkBytes, store });
          const arrived = await openChain(below, { imageFolder: dir });
          const found = await scanLayer({ ...base, layer: arrived.layers.at(-1)!, parent });
          await arrived.close();
          expect(found.layerId).toBe(layerId);
          parent = fromHex(layerId);
        }
      }),
    );
    await fc.assert(property, { numRuns: RUNS });
  });
});

/** Pulls a stored layer into a new file over the one at `below`; gives its path. */
async function pullInto(
  dir: string,
  name: string,
  below: string | undefined,
  of: { layer: DiskLayer; layerId: string; parent: Uint8Array; chunkBytes: number; store: MemoryStore },
): Promise<string> {
  const { virtualBytes, clusterBytes } = of.layer;
  const chain = below === undefined ? undefined : await openChain(below, { imageFolder: dir });
  const top = chain?.layers.at(-1);
  const backing =
    top === undefined ? {} : { backing: { name: below!.slice(dir.length + 1), format: top.format, chain: top } };
  const writer = await createQcow2(`${dir}/${name}`, { virtualBytes, clusterBytes, version: 3, ...backing });
  const geometry = geometryOf(virtualBytes, of.chunkBytes);
  const job = { name, geometry, parent: of.parent, source: of.store, writer, signal, totalBytes: 0 };
  await pullLayer({ ...job, rounds: { layerId: of.layerId } });
  await writer.finish();
  await chain?.close();
  return `${dir}/${name}`;
}
