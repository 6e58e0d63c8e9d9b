import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { Stop } from '../../agent/flow/stop.ts';
import { Pace } from '../../agent/pack/pace.ts';
import { PackWriter } from '../../agent/pack/pack-writer.ts';
import { sha256 } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';

describe('a PackWriter that fails', () => {
  it('frees no frame that is still being compressed, though one before it has failed', async () => {
    const stop = new Stop(new AbortController().signal);
    const raws: Uint8Array[] = [];
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const zstd = {
      // Small ones are samples of frames.
      compress: async (raw: Uint8Array) => {
        if (raw.length < limits.frame_raw_bytes_max) return raw.subarray(0, 1);
        await (raws.push(raw) === 1 ? first : second).promise;
        return Buffer.alloc(1);
      },
      decompress: async (payload: Uint8Array) => payload,
    };
    const writer = new PackWriter({ pace: new Pace(createManualClock()), stop, deliver: async () => undefined, zstd });
    const bytes = noise(limits.chunk_bytes_max, 9);
    const perFrame = limits.frame_raw_bytes_max / bytes.length;
    for (let chunk = 0; chunk < 2 * perFrame + 1; chunk++) {
      bytes.writeUInt32BE(chunk);
      await writer.add({ segment: 0, chunk }, sha256(bytes), bytes);
    }
    await expect.poll(() => raws.length).toBe(2);
    first.reject(new Error('no memory'));
    await expect.poll(() => stop.signal.aborted).toBe(true);
    writer.abandon();
    await expect.poll(() => raws[0]!.length).toBe(0);
    expect(raws[1]).toHaveLength(limits.frame_raw_bytes_max);
    second.resolve();
    await expect(writer.flush()).rejects.toThrow('no memory');
    await expect.poll(() => raws[1]!.length).toBe(0);
  });

  it('passes a failed delivery on', async () => {
    const stop = new Stop(new AbortController().signal);
    const writer = new PackWriter({
      pace: new Pace(systemClock),
      stop,
      deliver: () => Promise.reject(new Error('no room')),
    });
    await writer.add({ segment: 0, chunk: 0 }, sha256(Buffer.from('a')), Buffer.from('a'));
    await expect(writer.flush()).rejects.toThrow('no room');
    await expect(writer.add({ segment: 0, chunk: 1 }, sha256(Buffer.from('b')), Buffer.from('b'))).rejects.toThrow(
      'no room',
    );
    expect(stop.signal.aborted).toBe(true);
  });
});
