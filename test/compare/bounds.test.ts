import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import { differences } from '../../agent/compare/differences.ts';
import { Side } from '../../agent/compare/side.ts';
import { derive } from '../../agent/derive/derive.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { limits } from '../../core/limits.ts';
import { KiB, MiB, noise, withChain } from '../disk/support.ts';

let folder = '';
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'layermover-bounds-'));
  writeFileSync(at('one.raw'), noise(3 * MiB, 1));
  writeFileSync(at('other.raw'), noise(3 * MiB, 2));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Reads, and the most that were on at the same time. */
class Watched extends ChunkPool {
  most = 0;
  #now = 0;

  override async read(...args: Parameters<ChunkPool['read']>) {
    this.most = Math.max(this.most, ++this.#now);
    const read = await super.read(...args);
    const release = () => {
      this.#now--;
      read.release();
    };
    return { ...read, release };
  }
}

describe('what is compared', () => {
  const { signal } = new AbortController();

  it('is held in compare_pairs_in_flight pairs of buffers, however large the disks are', async () => {
    const pool = new Watched({ workers: 1, buffers: 2 * limits.compare_pairs_in_flight, bufferBytes: 64 * KiB });
    let chunks = 0;
    await withChain(at('one.raw'), folder, (one) =>
      withChain(at('other.raw'), folder, async (other) => {
        const sides = [new Side(one), new Side(other)] as const;
        const compared = { sides, virtualBytes: 3 * MiB, chunkBytes: 4 * KiB, pool, signal };
        for await (const _ of differences(compared)) chunks++;
      }),
    );
    await pool.close();
    expect(chunks).toBe(768);
    expect(pool.most).toBe(2 * limits.compare_pairs_in_flight);
  });

  it('is looked up in windows of compare_window_bytes', async () => {
    const asked: number[] = [];
    class Empty extends Side {
      override async pieces(at: number, length: number) {
        asked.push(length);
        return [{ kind: 'zero' as const, at, length }];
      }
    }
    const pool = new ChunkPool({ workers: 1 });
    await withChain(at('one.raw'), folder, async (chain) => {
      const sides = [new Empty(chain), new Empty(chain)] as const;
      const virtualBytes = 2 * limits.compare_window_bytes + 512;
      for await (const _ of differences({ sides, virtualBytes, chunkBytes: 64 * KiB, pool, signal })) expect.fail();
    });
    await pool.close();
    const whole = limits.compare_window_bytes;
    expect(asked).toEqual([whole, whole, whole, whole, 512, 512]);
  });

  it('becomes no layer where there is no room for derive_room_bytes more', async () => {
    const pool = new ChunkPool({ workers: 1 });
    const named = (name: string) => ({ path: at(name), folder });
    const job = { flat: named('one.raw'), base: named('other.raw'), clusterBytes: 64 * KiB, pool, signal };
    const room = (freeBytes: number) => ({ ...systemFiles, freeBytes: async () => freeBytes });
    const few = room(limits.derive_room_bytes - 1);
    await expect(derive({ ...job, out: at('few.qcow2'), files: few })).rejects.toMatchObject({
      code: 'DISK_FULL',
      hint: expect.stringContaining('run the command again'),
      data: { missingBytes: 1 },
    });
    await derive({ ...job, out: at('enough.qcow2'), files: room(limits.derive_room_bytes) });
    await pool.close();
    expect(readdirSync(folder).sort()).toEqual(['enough.qcow2', 'one.raw', 'other.raw']);
  });
});
