import { mkdirSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { threadedZstd, type Zstd } from '../../adapters/system/zstd.ts';
import { LiveBook } from '../../agent/live/book.ts';
import { Pace } from '../../agent/pack/pace.ts';
import { pullLayer } from '../../agent/pull/pull-layer.ts';
import { pushRound } from '../../agent/push/push-round.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import type { ChunkRun } from '../../agent/scan/runs.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST } from '../../core/fingerprint.ts';
import { limits } from '../../core/limits.ts';
import { noise } from '../disk/support.ts';
import { each, MemoryDisk, MemoryStore } from './push-support.ts';
import { eachFolder } from './support.ts';

const CHUNK = 64 * 1024;
const geometry = geometryOf(64 * CHUNK, CHUNK);
const never = new AbortController().signal;
const folder = eachFolder();
const pool = new ChunkPool({ workers: 1, buffers: 3, bufferBytes: 1024 * 1024 });
afterAll(() => pool.close());

let disk: Buffer;
let store: MemoryStore;
let book: LiveBook;
let sequence: number;
beforeEach(async () => {
  disk = Buffer.from(noise(geometry.virtualBytes, 1));
  store = new MemoryStore('migration', 'unordered');
  sequence = 0;
  mkdirSync(folder.at('state'), { recursive: true });
  book = await LiveBook.open(systemFiles, folder.at('state', 'live-'), geometry, NO_DIGEST);
});
afterEach(() => book.remove());

/** Pushes these chunks as a running VM's round. */
async function round(runs: readonly ChunkRun[], isLast: boolean, by: { pace?: Pace; zstd?: Zstd } = {}) {
  const layer = {
    async pieces(offset: number, length: number) {
      return [{ at: offset, length, kind: 'filled' as const }];
    },
  };
  const fill = async (spans: readonly { offset: number; length: number }[], bytes: Uint8Array) => {
    let at = 0;
    for (const { offset, length } of spans) {
      bytes.set(disk.subarray(offset, offset + length), at);
      at += length;
    }
  };
  const of = { name: 'top', totalBytes: 0, pool, sink: store, clock: systemClock, signal: never, geometry };
  const pushed = await pushRound({ ...of, ...by, layer, fill, runs: each(runs), book, isLast, sequence });
  book.ended('well');
  sequence = pushed.sequence;
  return pushed;
}

const read = (chunk: number, count: number): ChunkRun => ({ chunk, count, kind: 'read' });

async function pulled(): Promise<Buffer> {
  const writer = new MemoryDisk(geometry.virtualBytes);
  const job = { name: 'top', geometry, parent: NO_DIGEST, rounds: each(store.rounds), source: store, writer };
  await pullLayer({ ...job, signal: never, totalBytes: 0 });
  return Buffer.from(writer.bytes);
}

it('a last round is one commit, of the changed segments and the layer', async () => {
  await round([read(0, 64)], false);
  const before = store.rounds.length;
  disk.set(noise(2 * CHUNK, 2), 7 * CHUNK);
  const { layerId } = await round([read(7, 2)], true);
  expect(store.rounds.slice(before)).toMatchObject([{ segments: [{ index: 0 }], layerId }]);
  expect((await pulled()).equals(disk)).toBe(true);
});

it('so is one in which nothing has changed, or was zeroed alone', async () => {
  await round([read(0, 64)], false);
  const before = store.rounds.length;
  await round([], true);
  expect(store.rounds.slice(before)).toMatchObject([{ segments: [], layerId: expect.any(String) }]);
  store.rounds.pop();
  sequence--;
  disk.fill(0, 3 * CHUNK, 5 * CHUNK);
  await round([{ chunk: 3, count: 2, kind: 'zero' }], true);
  expect(store.rounds.slice(before)).toMatchObject([{ segments: [{ index: 0 }], layerId: expect.any(String) }]);
  expect((await pulled()).equals(disk)).toBe(true);
});

it('a last round whose pack is not stored leaves a book that names none of it', async () => {
  await round([read(0, 64)], false);
  disk.set(noise(CHUNK, 3), 9 * CHUNK);
  const put = store.put.bind(store);
  store.put = (kind, id, parts) => (kind === 'packs' ? Promise.reject(new Error('lost')) : put(kind, id, parts));
  await expect(round([read(9, 1)], true)).rejects.toThrow('lost');
  book.ended('failed');
  store.put = put;
  await round([read(9, 1)], true);
  expect((await pulled()).equals(disk)).toBe(true);
});

it('a last round takes no longer to compress for what other pushes have on the link', async () => {
  await round([read(0, 64)], false);
  const pace = new Pace(systemClock);
  pace.level = limits.pack_level_max;
  pace.link.sending(limits.pack_raw_bytes_max, limits.pack_raw_bytes_max);
  const levels: number[] = [];
  const compress: Zstd['compress'] = (raw, options) => {
    levels.push(options.level);
    return threadedZstd.compress(raw, options);
  };
  disk.set(noise(CHUNK, 4), 9 * CHUNK);
  await round([read(9, 1)], true, { pace, zstd: { ...threadedZstd, compress } });
  expect(levels).toEqual([limits.pack_level_default]);
  expect((await pulled()).equals(disk)).toBe(true);
});
