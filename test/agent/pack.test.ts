import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { openFrame } from '../../adapters/system/open-frame.ts';
import { Room } from '../../agent/flow/room.ts';
import { Stop } from '../../agent/flow/stop.ts';
import { sealFrame } from '../../agent/pack/frame-codec.ts';
import { Pace } from '../../agent/pack/pace.ts';
import type { Pack } from '../../agent/pack/pack.ts';
import { type Deliver, PackWriter } from '../../agent/pack/pack-writer.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { decodeFooter, decodeTrailer, packIdOf, TRAILER_BYTES } from '../../core/format/footer.ts';
import { encodeFrameHead, type Frame } from '../../core/format/frame.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';
import { KiB, MiB } from './scan-support.ts';

const LEVEL = 3;

/** Bytes that compress. */
function text(length: number, seed: number): Buffer {
  return Buffer.concat([noise(length >> 2, seed), Buffer.alloc(length - (length >> 2), `line ${seed}\n`)]);
}

function frameOf(frame: Partial<Frame>): Buffer {
  const whole: Frame = { codec: 'zstd', windowLog: 20, rawBytes: 0, prefix: [], payload: Buffer.alloc(0), ...frame };
  return Buffer.concat([encodeFrameHead(whole), whole.payload]);
}

describe('frames', () => {
  it.each([
    ['zstd', text(300 * KiB, 1), 1],
    ['stored', noise(300 * KiB, 1), 0],
    ['zstd', Buffer.from('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'), 1],
    ['stored', Buffer.from('a'), 0],
    ['zstd', text(limits.frame_raw_bytes_max, 2), 1],
    ['stored', noise(2 * MiB, 5), 0],
    ['zstd', Buffer.concat([noise(2 * MiB, 6), Buffer.alloc(MiB / 8)]), 1],
  ])('%s frames give back what went in', async (_, raw, codec) => {
    const sealed = await sealFrame(raw, LEVEL);
    const bytes = Buffer.concat([sealed.head, sealed.payload]);
    expect(bytes[5]).toBe(codec);
    expect(Buffer.compare(await openFrame(bytes), raw)).toBe(0);
  });

  it('refuses every flipped bit and every cut', async () => {
    const { head, payload } = await sealFrame(text(2 * KiB, 3), LEVEL);
    const bytes = Buffer.concat([head, payload]);
    const refusal = { code: expect.stringMatching(/^(FRAME_CORRUPT|FORMAT_REFUSED|FORMAT_VERSION)$/) };
    for (let bit = 0; bit < bytes.length * 8; bit += bit < 300 ? 1 : 37) {
      const bad = Buffer.from(bytes);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      await expect(openFrame(bad), `bit ${bit}`).rejects.toMatchObject(refusal);
    }
    for (const length of [0, 3, 35, 36, bytes.length - 1]) {
      await expect(openFrame(bytes.subarray(0, length))).rejects.toMatchObject(refusal);
    }
  });

  const raw = text(64 * KiB, 4);
  it('unpacks no more than a frame says it holds', async () => {
    const bomb = frameOf({ rawBytes: 9, windowLog: 24, payload: zstdCompressSync(Buffer.alloc(9 * MiB)) });
    const cause = { code: 'ERR_BUFFER_TOO_LARGE' };
    await expect(openFrame(bomb)).rejects.toMatchObject({ code: 'FRAME_CORRUPT', cause });
  });

  it.each([
    ['more comes out than it says', { rawBytes: 64 * KiB - 1, payload: zstdCompressSync(raw) }, 'FRAME_CORRUPT'],
    ['less comes out than it says', { rawBytes: 64 * KiB + 1, payload: zstdCompressSync(raw) }, 'FRAME_CORRUPT'],
    ['it wants a larger window', { rawBytes: 64 * KiB, windowLog: 11, payload: streamed(raw, 22) }, 'FRAME_CORRUPT'],
    ['it has no window', { rawBytes: 64 * KiB, windowLog: 0, payload: zstdCompressSync(raw) }, 'FRAME_CORRUPT'],
    ['it is empty', { rawBytes: 0, payload: zstdCompressSync(Buffer.alloc(0)) }, 'FRAME_CORRUPT'],
    ['its payload is no zstd', { rawBytes: 64 * KiB, payload: raw }, 'FRAME_CORRUPT'],
    [
      'stored bytes are too few',
      { codec: 'stored' as const, windowLog: 0, rawBytes: 9, payload: Buffer.alloc(8) },
      'FRAME_CORRUPT',
    ],
    [
      'it needs other chunks',
      { rawBytes: 64 * KiB, prefix: [sha256(raw)], payload: zstdCompressSync(raw) },
      'PREFIX_UNSUPPORTED',
    ],
  ])('refuses a well-formed frame if %s', async (_, frame, code) => {
    await expect(openFrame(frameOf(frame))).rejects.toMatchObject({ code });
  });
});

/** A zstd stream that declares a window of 2^`windowLog`: its frame head is written anew. */
function streamed(bytes: Buffer, windowLog: number): Buffer {
  const compressed = zstdCompressSync(bytes, { pledgedSrcSize: bytes.length });
  const sizeBytes = 2;
  expect(compressed[4]! >> 5).toBe(3);
  const body = compressed.subarray(5 + sizeBytes);
  return Buffer.concat([compressed.subarray(0, 4), Buffer.from([0, (windowLog - 10) << 3]), body]);
}

/** Packs `chunks` and gives the packs as they came. */
async function packed(chunks: readonly { segment: number; bytes: Buffer }[], flushAt?: number) {
  const packs: (Pack & { bytes: Buffer })[] = [];
  const outcomes: string[] = [];
  const deliver: Deliver = async (pack, forget) => {
    packs.push({ ...pack, bytes: Buffer.concat(pack.parts) });
    forget();
  };
  const writer = new PackWriter({ pace: new Pace(systemClock), stop: new Stop(new AbortController().signal), deliver });
  for (const [chunk, { segment, bytes }] of chunks.entries()) {
    outcomes.push(await writer.add({ segment, chunk }, sha256(bytes), bytes));
    if (chunk === flushAt) await writer.flush();
  }
  await writer.flush();
  return { packs, outcomes };
}

/** Checks a pack against its own bytes, and gives the content of each of its chunks. */
async function opened(pack: Pack & { bytes: Buffer }) {
  const { bytes } = pack;
  expect(bytes.length).toBe(pack.storedBytes);
  const footerBytes = decodeTrailer(bytes.subarray(-TRAILER_BYTES));
  const footerAt = bytes.length - TRAILER_BYTES - footerBytes;
  const encoded = bytes.subarray(footerAt, footerAt + footerBytes);
  expect(toHex(packIdOf(encoded))).toBe(pack.id);
  const { frames, chunks } = decodeFooter(encoded);
  const raws: Uint8Array[] = [];
  for (const { offset, frameBytes } of frames) raws.push(await openFrame(bytes.subarray(offset, offset + frameBytes)));
  const all = Buffer.concat(raws);
  let at = 0;
  for (const { fingerprint, length } of chunks) {
    expect(sha256(all.subarray(at, at + length)).equals(fingerprint)).toBe(true);
    at += length;
  }
  return (place: { frame: number; rawOffset: number }, length: number) =>
    Buffer.from(raws[place.frame]!.subarray(place.rawOffset, place.rawOffset + length));
}

describe('PackWriter', () => {
  const chunks = Array.from({ length: 90 }, (_, at) => ({
    segment: Math.floor(at / 40),
    bytes: text(at === 50 ? 100 : 1 * MiB, 1 + (at % 80)),
  }));

  it('fills frames and packs as far as whole chunks go, and places every chunk', async () => {
    const { packs, outcomes } = await packed(chunks);
    const raw = packs.map(({ frames }) => frames.map(({ rawBytes }) => rawBytes));
    const full = (bytes: number, max: number) => bytes > max - 1 * MiB && bytes <= max;
    for (const frames of raw.slice(0, -1)) {
      expect(
        full(
          frames.reduce((sum, bytes) => sum + bytes),
          limits.pack_raw_bytes_max,
        ),
      ).toBe(true);
    }
    for (const bytes of raw.flatMap((frames) => frames.slice(0, -1))) {
      expect(full(bytes, limits.frame_raw_bytes_max)).toBe(true);
    }
    expect(packs.length).toBeGreaterThan(1);
    let at = 0;
    for (const pack of packs) {
      const read = await opened(pack);
      for (const place of pack.chunks) {
        const { segment, bytes } = chunks[at]!;
        expect(place).toMatchObject({ segment, chunk: at });
        expect(Buffer.compare(read(place, bytes.length), bytes), `chunk ${at}`).toBe(0);
        at++;
      }
    }
    expect(at).toBe(chunks.length);
    expect(outcomes.filter((outcome) => outcome === 'repeated')).toHaveLength(0);
  });

  it('gives the same packs for the same chunks', async () => {
    const [once, again] = [await packed(chunks.slice(0, 20)), await packed(chunks.slice(0, 20))];
    expect(again.packs.map(({ id }) => id)).toEqual(once.packs.map(({ id }) => id));
    expect(Buffer.compare(again.packs[0]!.bytes, once.packs[0]!.bytes)).toBe(0);
    const other = await packed(chunks.slice(1, 21));
    expect(other.packs[0]!.id).not.toBe(once.packs[0]!.id);
  });

  it('stores what comes twice once, within a pack', async () => {
    const twice = [...chunks.slice(0, 3), ...chunks.slice(0, 3)];
    const { packs, outcomes } = await packed(twice);
    expect(outcomes).toEqual(['packed', 'packed', 'packed', 'repeated', 'repeated', 'repeated']);
    expect(packs[0]!.chunks.slice(3).map(({ rawOffset }) => rawOffset)).toEqual([0, 1 * MiB, 2 * MiB]);
    expect(packs[0]!.frames[0]!.chunks).toBe(3);
    expect((await packed(twice, 2)).packs).toHaveLength(2);
  });

  it('closes a pack that touches many segments, or is asked for one chunk too often', async () => {
    const sparse = Array.from({ length: limits.pack_segments_max + 1 }, (_, segment) => ({
      segment,
      bytes: Buffer.from(`chunk ${segment}`),
    }));
    expect((await packed(sparse)).packs.map((pack) => pack.chunks.length)).toEqual([limits.pack_segments_max, 1]);
    const same = Array.from({ length: limits.pack_chunks_max + 1 }, () => ({ segment: 0, bytes: Buffer.from('same') }));
    const { packs } = await packed(same);
    expect(packs.map((pack) => [pack.chunks.length, pack.frames[0]!.rawBytes])).toEqual([
      [limits.pack_chunks_max, 4],
      [1, 4],
    ]);
  });

  describe('over a link that it knows', () => {
    const carries = (10 * MiB) / limits.pack_link_ms;
    const texts = chunks.slice(0, 40).map(({ bytes }) => bytes);
    const media = texts.map((_, at) => noise(1 * MiB, 1000 + at));

    /** Raw bytes of the packs that hold these chunks. */
    const rawBytesOf = async (contents: readonly Uint8Array[], totalBytes: number, linkBytesPerMs: number) => {
      const pace = new Pace(createManualClock());
      pace.arrived(1000 * linkBytesPerMs, 1000);
      const packs: number[] = [];
      // None arrives before the last one is made: nothing tells anything new of the link.
      const deliver: Deliver = async ({ frames }) =>
        void packs.push(frames.reduce((sum, { rawBytes }) => sum + rawBytes, 0));
      const stop = new Stop(new AbortController().signal);
      const writer = new PackWriter({ pace, stop, deliver, totalBytes });
      for (const [chunk, bytes] of contents.entries()) await writer.add({ segment: 0, chunk }, sha256(bytes), bytes);
      await writer.flush();
      return packs;
    };

    it('makes packs of what that carries in a moment, if so few bytes are to come', async () => {
      expect((await rawBytesOf(texts, 40 * MiB, 1))[0]).toBe(limits.pack_raw_bytes_min);
      expect(await rawBytesOf(texts, 40 * MiB, carries)).toEqual(Array(4).fill(10 * MiB));
      expect((await rawBytesOf(texts, Number.POSITIVE_INFINITY, carries))[0]).toBe(limits.pack_raw_bytes_max);
    });

    it('makes half as large ones of what does not shrink, and full ones where they are full', async () => {
      expect(await rawBytesOf(media, 40 * MiB, carries)).toEqual(Array(8).fill(5 * MiB));
      const mixed = [...media.slice(0, 5), ...texts.slice(0, 10), ...media.slice(5, 15)];
      expect(await rawBytesOf(mixed, 40 * MiB, carries)).toEqual([5, 10, 5, 5].map((size) => size * MiB));
      expect((await rawBytesOf(media, Number.POSITIVE_INFINITY, carries))[0]).toBe(limits.pack_raw_bytes_max);
    });
  });

  it('makes its caller wait while packs are not forgotten', async () => {
    const kept: (() => void)[] = [];
    const stop = new AbortController();
    const deliver: Deliver = async (_, forget) => void kept.push(forget);
    const writer = new PackWriter({ pace: new Pace(systemClock), stop: new Stop(stop.signal), deliver });
    const full = limits.pack_memory_bytes / limits.pack_raw_bytes_max;
    const perPack = limits.pack_raw_bytes_max / MiB;
    const bytes = noise(1 * MiB, 9);
    let added = 0;
    const adding = (async () => {
      for (; added < full * perPack + 1; added++) {
        bytes.writeUInt32BE(added);
        await writer.add({ segment: 0, chunk: added }, sha256(bytes), bytes);
      }
    })();
    await expect.poll(() => kept.length, { timeout: 20_000 }).toBe(full);
    expect(added).toBe(full * perPack);
    kept[0]!();
    // Once is enough.
    kept[0]!();
    await adding;
    stop.abort(new Error('over'));
    await expect(writer.flush()).rejects.toThrow('over');
  });

  it('gives its memory back: at once what nobody uses, that of a pack once it is forgotten', async () => {
    const kept: { pack: Pack; forget: () => void }[] = [];
    const stop = new Stop(new AbortController().signal);
    const deliver: Deliver = async (pack, forget) => void kept.push({ pack, forget });
    const writer = new PackWriter({ pace: new Pace(systemClock), stop, deliver });
    await writer.add({ segment: 0, chunk: 0 }, sha256(chunks[0]!.bytes), chunks[0]!.bytes);
    await writer.flush();
    writer.free();
    const { pack, forget } = kept[0]!;
    expect(Buffer.concat(pack.parts)).toHaveLength(pack.storedBytes);
    const payload = pack.parts[1]!;
    expect(payload.length).toBeGreaterThan(Buffer.poolSize);
    forget();
    expect(payload).toHaveLength(0);
  });

  it('has many packs wait that shrink, in memory for a few that do not, once its link is known', async () => {
    const waiting = async (isKnown: boolean) => {
      const pace = new Pace(createManualClock());
      // A push of so few bytes has small packs then.
      if (isKnown) pace.remember((1000 * limits.pack_raw_bytes_min) / limits.pack_link_ms);
      const stop = new AbortController();
      let packs = 0;
      const deliver: Deliver = async () => void packs++;
      const writer = new PackWriter({ pace, stop: new Stop(stop.signal), deliver, totalBytes: 1 });
      let added = 0;
      const adding = (async () => {
        for (; added < 160; added++) {
          const bytes = text(1 * MiB, 100 + added);
          await writer.add({ segment: 0, chunk: added }, sha256(bytes), bytes);
        }
      })();
      await Promise.race([adding, expect.poll(() => packs, { timeout: 20_000 }).toBe(3)]);
      if (isKnown) await adding;
      stop.abort(new Error('over'));
      await adding.catch(() => undefined);
      return added;
    };
    const unknown = limits.pack_memory_bytes / MiB;
    expect(await waiting(false)).toBe(unknown);
    expect(await waiting(true)).toBe(160);
  });

  it('leaves link and memory to other writers when it is abandoned', async () => {
    const pace = new Pace(createManualClock());
    const memory = new Room(limits.pack_memory_bytes);
    const controller = new AbortController();
    const forgets: (() => void)[] = [];
    const deliver: Deliver = async (_, forget) => void forgets.push(forget);
    const writer = new PackWriter({ pace, stop: new Stop(controller.signal), deliver, memory });
    for (const [chunk, { bytes }] of chunks.slice(0, 40).entries())
      await writer.add({ segment: 0, chunk }, sha256(bytes), bytes);
    await expect.poll(() => forgets.length).toBe(1);
    controller.abort(new Error('over'));
    await expect(memory.take(limits.pack_memory_bytes, AbortSignal.timeout(1))).rejects.toThrow();
    writer.abandon();
    forgets[0]!();
    await memory.take(limits.pack_memory_bytes, new AbortController().signal);
    await expect(memory.take(1, AbortSignal.timeout(1))).rejects.toThrow();
    expect(pace.linkBytesPerMs).toBe(Number.POSITIVE_INFINITY);
    expect(pace.link.level).toBe(limits.pack_level_default);
  });
});
