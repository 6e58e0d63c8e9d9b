import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { Stop } from '../../agent/flow/stop.ts';
import { Pace } from '../../agent/pack/pace.ts';
import { PackWriter } from '../../agent/pack/pack-writer.ts';
import { sha256 } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';

const PACKS = 12;

/**
 * Packs chunks that fill a pack each, over a link on which a pack takes `sendMs`, one at a time; gives the levels that frames had.
 * `from`: the level at which the push before ended.
 */
async function levelsOver(sendMs: number, cpuMs: (level: number) => number, from: number = limits.pack_level_default) {
  const clock = createManualClock();
  const pace = new Pace(clock);
  pace.level = from;
  const levels: number[] = [];
  const zstd = {
    compress: async (raw: Uint8Array, { level }: { level: number }) => {
      if (raw.length < limits.frame_raw_bytes_max) return raw.subarray(0, 1);
      levels.push(level);
      await clock.sleep(cpuMs(level));
      return Buffer.alloc(16);
    },
    decompress: async (payload: Uint8Array) => payload,
  };
  let link = Promise.resolve();
  const deliver = async (_: unknown, forget: () => void) => {
    link = link.then(() => clock.sleep(sendMs)).then(forget);
  };
  const writer = new PackWriter({ pace, stop: new Stop(new AbortController().signal), deliver, zstd });
  const bytes = noise(limits.chunk_bytes_max, 1);
  let isDone = false;
  const work = (async () => {
    const chunks = (PACKS * limits.pack_raw_bytes_max) / bytes.length;
    for (let chunk = 0; chunk < chunks; chunk++) {
      bytes.writeUInt32BE(chunk);
      await writer.add({ segment: 0, chunk }, sha256(bytes), bytes);
    }
    await writer.flush();
    isDone = true;
  })();
  while (!isDone) await clock.advance(10);
  await work;
  writer.free();
  return levels;
}

describe('a writer of packs', () => {
  it('compresses better over a slow link', async () => {
    const levels = await levelsOver(2_000, (level) => 10 * level);
    expect(levels.slice(0, 2)).toEqual([limits.pack_level_default, limits.pack_level_default]);
    expect(levels.at(-1)).toBe(limits.pack_level_max);
  });

  it('begins where the push before ended, though its link has nothing to carry until the first pack is made', async () => {
    const levels = await levelsOver(2_000, (level) => 50 * level, limits.pack_level_max);
    expect(new Set(levels)).toEqual(new Set([limits.pack_level_max]));
  });

  it('becomes fast again over a link that is faster than the one before', async () => {
    const levels = await levelsOver(10, (level) => 100 * level, limits.pack_level_max);
    expect(levels[0]).toBe(limits.pack_level_max);
    expect(levels.at(-1)).toBe(limits.pack_level_default);
  });

  it('stays fast over a fast one', async () => {
    const levels = await levelsOver(10, (level) => 100 * level);
    expect(new Set(levels)).toEqual(new Set([limits.pack_level_default]));
  });
});
