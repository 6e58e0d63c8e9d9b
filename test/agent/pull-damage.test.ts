import { describe, expect, it } from 'vitest';
import { sealFrame } from '../../agent/pack/frame-codec.ts';
import { pullLayer } from '../../agent/pull/pull-layer.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { decodePlacement, encodePlacement, type Placement } from '../../core/format/placement.ts';
import { expectSame, noise } from '../disk/support.ts';
import {
  chunkBytes,
  disk,
  expected,
  expectNothingWrong,
  finalSegments,
  freshDisk,
  job,
  keys,
  layerId,
  store,
} from './pull-support.ts';
import type { MemoryStore } from './push-support.ts';

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
        freshDisk();
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

  /** Stores another placement for the last version of a segment. */
  function replacePlacement(change: (placement: Placement) => Placement, segment = 0) {
    const key = `placements/${finalSegments()[segment]}`;
    store.objects.set(key, encodePlacement(change(decodePlacement(store.objects.get(key)!))));
  }
  const pullStored = () => pullLayer(job({ rounds: { layerId } }));

  it('that carries a right checksum is found by the fingerprint', async () => {
    const raw = noise(32 * chunkBytes, 77);
    const sealed = await sealFrame(raw, 1);
    const forged = Buffer.concat([sealed.head, sealed.payload]);
    const pack = sha256(forged);
    store.objects.set(`packs/${toHex(pack)}`, forged);
    replacePlacement(({ frames, runs }) => {
      const frame = { scope: 'migration' as const, pack, offset: 0, frameBytes: forged.length, rawBytes: raw.length };
      return { frames: [frame, ...frames.slice(1)], runs };
    });
    const refusal = { code: 'CHUNK_CORRUPT', data: { layer: 'disk.qcow2', chunk: 0, pack: toHex(pack), offset: 0 } };
    await expect(pullStored()).rejects.toMatchObject(refusal);
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
    await expect(pullStored()).rejects.toMatchObject({ code: 'CHUNK_CORRUPT', data: { chunk: 0 } });
    expectNothingWrong();
  });

  function split(run: Placement['runs'][number]) {
    return [{ ...run, chunk: run.chunk + 1, count: run.count - 1, rawOffset: run.rawOffset + chunkBytes }];
  }

  it.each<[string, (placement: Placement) => Placement]>([
    ['leaves a chunk out', ({ frames, runs }) => ({ frames, runs: runs.slice(1) })],
    ['places a chunk that is absent', ({ frames, runs }) => ({ frames, runs: moved(runs) })],
    ['reaches over its frame', ({ frames, runs }) => ({ frames: frames.map(shortened), runs })],
    ['names a frame of gigabytes', ({ frames, runs }) => ({ frames: frames.map(huge), runs })],
  ])('refuses a placement that %s', async (_, change) => {
    replacePlacement(change, 1);
    await expect(pullStored()).rejects.toMatchObject({ code: 'PLACEMENT_CORRUPT', data: { layer: 'disk.qcow2' } });
    expectNothingWrong();
  });

  /** The second segment begins with 16 chunks of data, after which some are absent. */
  const moved = ([first, ...rest]: Placement['runs']) => [
    { ...first!, count: first!.count - 1 },
    { ...first!, chunk: 20, count: 1 },
    ...rest,
  ];
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
