import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { Slots } from '../../agent/flow/slots.ts';
import { Stop } from '../../agent/flow/stop.ts';
import { Pace } from '../../agent/pack/pace.ts';
import { PackWriter } from '../../agent/pack/pack-writer.ts';
import { sha256 } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';

const { signal } = new AbortController();
const PACKS = 12;
const STEP_MS = 10;
/** Of a pack whose frames shrink to a quarter. */
const SENT_BYTES = limits.pack_raw_bytes_max / 4;

/**
 * Packs chunks that fill packs, over a link on which a pack takes `sendMs`, and two at a time twice as long; gives the levels that
 * frames had, and how long it took. `from`: the level at which the push before ended; `known`: what the link carries is.
 */
async function levelsOver(
  sendMs: number,
  cpuMs: (level: number) => number,
  { packs = PACKS, from = limits.pack_level_default as number, known = false } = {},
) {
  const clock = createManualClock();
  const pace = new Pace(clock);
  if (known) pace.remember((1000 * SENT_BYTES) / sendMs);
  pace.level = from;
  const levels: number[] = [];
  const zstd = {
    compress: async (raw: Uint8Array, { level }: { level: number }) => {
      if (raw.length < limits.frame_raw_bytes_max) return raw.subarray(0, 1);
      levels.push(level);
      await clock.sleep(cpuMs(level));
      return Buffer.alloc(raw.length / 4);
    },
    decompress: async (payload: Uint8Array) => payload,
  };
  const uploads = Slots.count(limits.uploads_in_flight);
  const onLink = new Set<{ leftMs: number; arrive: () => void }>();
  const sent: Promise<void>[] = [];
  const deliver = async (_: unknown, forget: () => void) => {
    const send = async () => {
      const slot = await uploads.take(signal);
      const { promise, resolve } = Promise.withResolvers<void>();
      onLink.add({ leftMs: sendMs, arrive: resolve });
      await promise;
      uploads.give(slot);
      forget();
    };
    sent.push(send());
  };
  const writer = new PackWriter({ pace, stop: new Stop(signal), deliver, zstd });
  const bytes = noise(limits.chunk_bytes_max, 1);
  let isDone = false;
  const work = (async () => {
    const chunks = (packs * limits.pack_raw_bytes_max) / bytes.length;
    for (let chunk = 0; chunk < chunks; chunk++) {
      bytes.writeUInt32BE(chunk);
      await writer.add({ segment: 0, chunk }, sha256(bytes), bytes);
    }
    await writer.flush();
    await Promise.all(sent);
    isDone = true;
  })();
  const beganMs = clock.nowMs();
  while (!isDone) {
    await clock.advance(STEP_MS);
    for (const pack of [...onLink]) {
      pack.leftMs -= STEP_MS / onLink.size;
      if (pack.leftMs > 0) continue;
      onLink.delete(pack);
      pack.arrive();
    }
  }
  await work;
  writer.free();
  return { levels, ms: clock.nowMs() - beganMs, filled: pace.take() };
}

describe('a pace', () => {
  it('takes no link for slow on which a pack was lost', () => {
    let nowMs = 1_000_000;
    const pace = new Pace({ nowMs: () => nowMs, sleep: async () => undefined });
    const lost = [pace.link.sending(1000, 1000), pace.link.sending(1000, 1000)];
    nowMs += 600_000;
    for (const pack of lost) pack.lost();
    const pack = pace.link.sending(1000, 1000);
    nowMs += 10;
    pack.arrived();
    expect(pace.linkBytesPerMs).toBe(100);
  });

  it('still knows its link when the machine’s clock was put back', () => {
    let nowMs = 1_000_000;
    const pace = new Pace({ nowMs: () => nowMs, sleep: async () => undefined });
    const send = (ms: number) => {
      const pack = pace.link.sending(1000, 1000);
      nowMs += ms;
      pack.arrived();
    };
    send(10);
    expect(pace.linkBytesPerMs).toBe(100);
    send(-3_600_000);
    expect(pace.linkBytesPerMs).toBeLessThan(300);
    send(10);
    expect(pace.linkBytesPerMs).toBeLessThan(200);
  });

  it('knows what its link carries, by what has arrived last most of all', () => {
    const pace = new Pace(createManualClock());
    expect(pace.linkBytesPerMs).toBe(Number.POSITIVE_INFINITY);
    pace.remember(Number.POSITIVE_INFINITY);
    expect(pace.linkBytesPerMs).toBe(Number.POSITIVE_INFINITY);
    pace.arrived(1000, 10);
    pace.remember(5);
    expect(pace.linkBytesPerMs).toBe(100);
    for (let pack = 0; pack < 20; pack++) pace.arrived(1000, 100);
    expect(pace.linkBytesPerMs).toBeCloseTo(10, 0);
    pace.arrived(1000, 0);
    expect(pace.linkBytesPerMs).toBeLessThan(20);
  });

  it('counts on what its link carried when it was seen before', () => {
    const pace = new Pace(createManualClock());
    pace.remember(5000);
    expect(pace.linkBytesPerMs).toBe(5);
  });
});

describe('a short backlog', () => {
  it.each([
    { packs: 'shrink', rawBytes: 4000, raises: true },
    { packs: 'do not shrink: no level would make less of them', rawBytes: 1000, raises: false },
  ])(
    'raises the level at once if the link is many times slower, but not where packs $packs',
    ({ rawBytes, raises }) => {
      let nowMs = 1_000_000;
      const pace = new Pace({ nowMs: () => nowMs, sleep: async () => undefined });
      const sendMs = 150;
      pace.remember((1000 * 1000) / sendMs);
      pace.link.begin();
      for (let pack = 0; pack < limits.pack_backlog_ms / sendMs - 1; pack++) {
        pace.link.sending(1000, rawBytes);
        nowMs += 10;
        pace.link.filled(rawBytes);
      }
      expect(pace.level > limits.pack_level_default).toBe(raises);
    },
  );
});

it('is told nothing about its link by packs so tiny that no time passes', () => {
  const pace = new Pace({ nowMs: () => 1_000_000, sleep: async () => undefined });
  pace.remember(1000);
  pace.link.begin();
  for (let pack = 0; pack < 20; pack++) {
    pace.link.sending(1, 4);
    pace.link.filled(4);
  }
  expect(pace.level).toBe(limits.pack_level_default);
});

describe('a writer of packs', () => {
  it('compresses better over a slow link', async () => {
    const { levels, filled } = await levelsOver(2_000, (level) => 10 * level, { packs: 2 * PACKS });
    expect(filled.bytes).toBeLessThanOrEqual(limits.uploads_in_flight * limits.pack_raw_bytes_max);
    expect(levels.slice(0, 2)).toEqual([limits.pack_level_default, limits.pack_level_default]);
    expect(levels.at(-1)).toBe(limits.pack_level_max);
  });

  it('begins where the push before ended, though its link has nothing to carry until the first pack is made', async () => {
    const { levels } = await levelsOver(2_000, (level) => 50 * level, { from: limits.pack_level_max });
    // The very first frame is made while the link has nothing to carry.
    expect(levels[0]).toBe(limits.pack_level_default);
    expect(new Set(levels.slice(1))).toEqual(new Set([limits.pack_level_max]));
  });

  it('makes packs for two seconds ahead where its link and the compressor are as fast, whatever some of them take', async () => {
    // Of nine packs eight take half as long to make as to send, and one takes seven times as long as that.
    let frame = 0;
    const cpuMs = () => (Math.floor(frame++ / 2) % 9 === 8 ? 2_000 : 300);
    const packs = 45;
    const sendMs = 400;
    const { ms } = await levelsOver(sendMs, cpuMs, { packs, known: true });
    expect(limits.pack_backlog_ms).toBeGreaterThan(3 * sendMs);
    expect(ms).toBeLessThan(1.08 * packs * sendMs);
  });

  it('takes its time when packs for that wait, though there is room for more', async () => {
    const packs = 10;
    expect(packs * SENT_BYTES).toBeLessThan(limits.pack_memory_bytes);
    const { levels } = await levelsOver(limits.pack_backlog_ms / 4, (level) => 10 * level, { packs, known: true });
    expect(levels.slice(0, 4)).toEqual(Array(4).fill(limits.pack_level_default));
    expect(levels.at(-1)).toBeGreaterThan(7);
  });

  it('takes no longer for a few more packs that wait: that may be cores that compress and send', async () => {
    const sendMs = 300;
    const packs = limits.pack_backlog_ms / sendMs + 2;
    // Three frames at a time, two of them a pack: a pack is made in half the time.
    const { levels } = await levelsOver(sendMs, () => 225, { packs, known: true });
    expect(new Set(levels)).toEqual(new Set([limits.pack_level_default]));
  });

  it('need not see many packs wait for a link that takes many times as long as they took to make', async () => {
    const packs = 8;
    const sendMs = 200;
    expect(packs * sendMs).toBeLessThan(limits.pack_backlog_ms);
    const { levels } = await levelsOver(sendMs, (level) => 10 * level, { packs, known: true });
    expect(levels.at(-1)).toBeGreaterThan(7);
  });

  it('does not become faster because the first packs after a pause are made while the link has nothing to carry', async () => {
    const cpuMs = (level: number) => 40 * level;
    const { levels } = await levelsOver(300, cpuMs, { packs: 6, known: true, from: limits.pack_level_max });
    expect(new Set(levels.slice(1))).toEqual(new Set([limits.pack_level_max]));
  });

  it('becomes fast again over a link that is faster than the one before', async () => {
    const { levels } = await levelsOver(10, (level) => 100 * level, { from: limits.pack_level_max });
    expect(levels[1]).toBe(limits.pack_level_max);
    expect(levels.at(-1)).toBe(limits.pack_level_default);
  });

  it.each([300, 450, 700])('keeps a link busy on which a pack takes %d ms, and does not swing', async (sendMs) => {
    const packs = 24;
    const cpuMs = (level: number) => 100 * [1, 1.25, 1.6, 2.1, 3.0, 3.1, 4.0, 4.2][level - 2]!;
    const { levels, ms } = await levelsOver(sendMs, cpuMs, { packs });
    expect(ms).toBeLessThan(1.15 * packs * sendMs);
    const settled = levels.slice(levels.length / 2);
    expect(Math.max(...settled) - Math.min(...settled)).toBeLessThanOrEqual(1);
    expect(Math.min(...settled)).toBeGreaterThan(limits.pack_level_default);
  });

  it('stays fast over a fast one', async () => {
    // The first ones, over a link that nobody has seen, are not counted.
    const packs = PACKS + limits.frames_in_flight;
    const { levels, filled } = await levelsOver(10, (level) => 100 * level, { packs });
    expect(new Set(levels)).toEqual(new Set([limits.pack_level_default]));
    // Three frames at a time take 200 ms.
    const frames = filled.bytes / limits.frame_raw_bytes_max;
    expect(frames).toBeGreaterThan(packs);
    expect(filled.ms / frames).toBeGreaterThan(200 / 3 - STEP_MS);
    expect(filled.ms / frames).toBeLessThan(200);
  });
});
