import { beforeAll, describe, expect, it } from 'vitest';
import { pullLayer } from '../../agent/pull/pull-layer.ts';
import { hasCode, type LayerMoverError } from '../../core/errors.ts';
import { decodeFooter, decodeTrailer, TRAILER_BYTES } from '../../core/format/footer.ts';
import { FRAME_HEADER_BYTES } from '../../core/format/frame.ts';
import {
  disk,
  expected,
  expectNothingWrong,
  finalSegments,
  freshDisk,
  job,
  keys,
  layerId,
  pushed,
  store,
} from '../agent/pull-support.ts';
import { Random } from '../fuzz/random.ts';
import { DAMAGES, type Damage, flip, rounds, SEED } from './damage.ts';

/** Every kind of object that a destination reads, damaged in every way, at places that a seed chooses. */
const CODES: Readonly<Record<string, RegExp>> = {
  packs: /^(FRAME_CORRUPT|CHUNK_CORRUPT)$/,
  segments: /^MANIFEST_CORRUPT$/,
  layers: /^MANIFEST_CORRUPT$/,
  placements: /^(PLACEMENT_CORRUPT|CHUNK_CORRUPT|FRAME_CORRUPT|OBJECT_MISSING)$/,
};

/** Pulls what is stored, damage and all; answers how that ended. Nothing wrong has reached the disk, whatever it is. */
async function pull(about: string): Promise<LayerMoverError | undefined> {
  freshDisk();
  try {
    await pullLayer(job({ rounds: { layerId } }));
    expect(Buffer.compare(disk.bytes, expected), about).toBe(0);
    return undefined;
  } catch (error) {
    expect(hasCode(error, (error as LayerMoverError).code), `${about}: ${error}`).toBe(true);
    return error as LayerMoverError;
  } finally {
    expectNothingWrong();
  }
}

/** The error says which layer, which of its chunks, and what to do. */
function expectNamed(error: LayerMoverError, kind: string, about: string): void {
  expect(error.code, about).toMatch(CODES[kind]!);
  expect(error.data, about).toMatchObject({ layer: 'disk.qcow2' });
  if (kind !== 'layers') expect(error.data?.chunk, about).toEqual(expect.any(Number));
  expect(error.message, about).toContain('disk.qcow2');
  expect(error.hint, about).toContain('layermover index rebuild --check');
  expect(error.hint, about).toContain('layermover resume');
}

/** Where a pack's frames end. */
function framesEnd(pack: Buffer): number {
  return pack.length - TRAILER_BYTES - decodeTrailer(pack.subarray(-TRAILER_BYTES));
}

const needed = (kind: string) =>
  keys(kind).filter((key) =>
    kind !== 'segments' && kind !== 'placements' ? true : finalSegments().includes(key.split('/')[1]!),
  );

/** Another disk's objects. */
let other: typeof store;
beforeAll(async () => {
  other = (await pushed('other.qcow2', 99)).store;
});

describe(`seed ${SEED}`, () => {
  it.each(Object.keys(CODES).flatMap((kind) => DAMAGES.map((damage) => [kind, damage.name, damage] as const)))(
    '%s, %s',
    async (kind, _, damage: Damage) => {
      const others = [...other.objects].filter(([key]) => key.startsWith(`${kind}/`));
      const random = new Random(SEED, DAMAGES.indexOf(damage));
      for (let round = 0; round < rounds(damage.name === 'a flipped bit' ? 3 : 1); round++) {
        const key = random.pick(needed(kind));
        const whole = store.objects.get(key)!;
        const damaged = damage.apply(whole, random, random.pick(others)[1]);
        store.objects.set(key, damaged);
        const about = `seed ${SEED}, ${kind} ${key}, round ${round}`;
        const error = await pull(about);
        // A footer and what follows a pack are for the index: who pulls does not read them.
        const isUnread =
          kind === 'packs' && damaged.subarray(0, framesEnd(whole)).equals(whole.subarray(0, framesEnd(whole)));
        if (isUnread || damaged.equals(whole)) expect(error, about).toBeUndefined();
        else expectNamed(error!, kind, about);
        store.objects.set(key, whole);
      }
    },
  );

  it('every byte of a frame’s head is guarded', async () => {
    const random = new Random(SEED, 77);
    const key = random.pick(keys('packs'));
    const whole = store.objects.get(key)!;
    const frames = decodeFooter(whole.subarray(framesEnd(whole), -TRAILER_BYTES)).frames;
    const { offset } = random.pick(frames);
    for (let at = 0; at < FRAME_HEADER_BYTES; at += process.env.CORRUPTION_ROUNDS ? 1 : 5) {
      store.objects.set(key, flip(whole, (offset + at) * 8 + random.below(8)));
      const about = `seed ${SEED}, ${key}, byte ${at} of the head at ${offset}`;
      expectNamed((await pull(about))!, 'packs', about);
    }
  });
});
