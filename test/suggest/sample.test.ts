import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Side } from '../../agent/compare/side.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { matchImage } from '../../agent/suggest/held-by.ts';
import { spreadPlaces } from '../../agent/suggest/places.ts';
import { type Sample, takeSample } from '../../agent/suggest/sample.ts';
import { geometryOf } from '../../core/chunk.ts';
import { sha256 } from '../../core/fingerprint.ts';
import { shareInterval } from '../../core/interval.ts';
import { limits } from '../../core/limits.ts';
import { KiB, MiB, noise, withChain } from '../disk/support.ts';

const CHUNK = 4 * KiB;
const pool = new ChunkPool({ workers: 1 });
const { signal } = new AbortController();
const reading = { chunkBytes: CHUNK, pool, signal };
let folder = '';
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'layermover-suggest-'));
});
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

function sampleOf(name: string, chunkBytes = CHUNK): Promise<Sample> {
  return withChain(at(name), folder, (chain) => takeSample(new Side(chain), { ...reading, chunkBytes }));
}

function matched(name: string, flat: string, sample: Sample) {
  return matchImage({ path: at(name), folder }, at(flat), sample, reading);
}

describe('a sample', () => {
  it('is of data chunks in their places, sample_chunks_max at the most', async () => {
    const content = noise(6 * MiB, 1);
    content.fill(0, 2 * MiB, 3 * MiB);
    writeFileSync(at('disk.raw'), content);
    const { chunks, readBytes } = await sampleOf('disk.raw');
    expect(chunks).toHaveLength(limits.sample_chunks_max);
    for (const { chunk, fingerprint } of chunks)
      expect(sha256(content.subarray(chunk * CHUNK, (chunk + 1) * CHUNK)).equals(fingerprint)).toBe(true);
    expect(new Set(chunks.map(({ chunk }) => chunk)).size).toBe(chunks.length);
    expect(readBytes).toBeLessThan(content.length);
  });

  it('begins spread over the disk', async () => {
    writeFileSync(at('whole.raw'), noise(5 * MiB, 1));
    const { chunks } = await sampleOf('whole.raw');
    const parts = Array(10).fill(0);
    for (const { chunk } of chunks.slice(0, 100)) parts[Math.floor((chunk * CHUNK * 10) / (5 * MiB))]++;
    for (const count of parts) expect(count).toBeGreaterThanOrEqual(8);
  });

  it('costs sample_bytes_max of a disk at the most, however empty that is', async () => {
    const bytes = limits.sample_bytes_max + 40 * MiB;
    const file = at('empty.raw');
    writeFileSync(file, '');
    truncateSync(file, bytes);
    const { chunks, readBytes } = await sampleOf('empty.raw', 256 * KiB);
    expect(chunks).toEqual([]);
    expect(readBytes).toBe(limits.sample_bytes_max);
  });

  it('comes from sample_segments_max segments at the most, those that hold much among them', async () => {
    const segment = limits.segment_chunks * CHUNK;
    const count = 2 * limits.sample_segments_max;
    const options = { virtualBytes: count * segment, clusterBytes: 64 * KiB, version: 3 } as const;
    const writer = await createQcow2(at('wide.qcow2'), options);
    for (let i = 0; i < count; i++) await writer.write(i * segment, noise(i === 40 ? 4 * MiB : 64 * KiB, i + 1));
    await writer.finish();
    const places = await withChain(at('wide.qcow2'), folder, (chain) =>
      spreadPlaces(new Side(chain), geometryOf(options.virtualBytes, CHUNK)),
    );
    const segments = new Set(Array.from(places, (chunk) => Math.floor(chunk / limits.segment_chunks)));
    expect(segments.size).toBeLessThanOrEqual(limits.sample_segments_max);
    expect(segments.size).toBeGreaterThan(limits.sample_segments_max / 3);
    expect(segments).toContain(40);
    expect(new Set(places).size).toBe(places.length);
  });

  it('of nothing is nothing', async () => {
    writeFileSync(at('none.raw'), '');
    expect(await sampleOf('none.raw')).toMatchObject({ chunks: [], readBytes: 0 });
  });
});

describe('an image', () => {
  it('has the share of a sample that it has of the disk, within the interval', async () => {
    const base = noise(8 * MiB, 1);
    writeFileSync(at('base.raw'), base);
    const disk = Buffer.from(base);
    for (let chunk = 0; chunk < 2048; chunk++) if (chunk % 10 < 3) disk[chunk * CHUNK + 9]! ^= 1;
    writeFileSync(at('vm.raw'), disk);
    const sample = await sampleOf('vm.raw');
    const { low, high } = shareInterval((await matched('base.raw', 'vm.raw', sample))!.matched, sample.chunks.length);
    const share = (2048 - 615) / 2048;
    expect(low).toBeLessThan(share);
    expect(high).toBeGreaterThan(share);
    expect(high - low).toBeLessThan(0.07);
  });

  it('has nothing where the same content is in other places, and ends at once then', async () => {
    writeFileSync(at('moved.raw'), Buffer.concat([noise(CHUNK, 9), noise(8 * MiB, 1)]));
    writeFileSync(at('same.raw'), noise(8 * MiB, 1));
    const sample = await sampleOf('same.raw');
    expect(await matched('moved.raw', 'same.raw', sample)).toMatchObject({ matched: 0, depth: 1 });
    expect(await matched('same.raw', 'other.raw', sample)).toMatchObject({ matched: sample.chunks.length });
  });

  it('that is the disk itself, or shorter, is no trouble', async () => {
    writeFileSync(at('long.raw'), noise(2 * MiB, 1));
    writeFileSync(at('short.raw'), noise(1 * MiB + 100, 1));
    const sample = await sampleOf('long.raw');
    expect(await matched('long.raw', 'long.raw', sample)).toBeUndefined();
    expect((await matched('short.raw', 'long.raw', sample))!.matched).toBe(256);
    expect((await matched('long.raw', 'short.raw', await sampleOf('short.raw')))!.matched).toBe(257);
  });
});

describe('the interval of a share', () => {
  it('is Wilson’s', () => {
    expect(shareInterval(0, 0)).toEqual({ low: 0, high: 1 });
    const { low, high } = shareInterval(8, 10);
    expect([low.toFixed(3), high.toFixed(3)]).toEqual(['0.490', '0.943']);
    expect(shareInterval(100, 100).high).toBeCloseTo(1);
    expect(shareInterval(0, 100).low).toBeCloseTo(0);
  });
});
