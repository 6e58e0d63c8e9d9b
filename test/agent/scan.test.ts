import { closeSync, openSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { systemFiles } from '../../adapters/system/files.ts';
import type { DiskLayer } from '../../agent/disk/layer.ts';
import type { Piece } from '../../agent/disk/pieces.ts';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { ChunkPool } from '../../agent/scan/pool.ts';
import { touchedRuns } from '../../agent/scan/runs.ts';
import { scanLayer } from '../../agent/scan/scan-layer.ts';
import { geometryOf } from '../../core/chunk.ts';
import type { Extent } from '../../core/extent.ts';
import { fromHex, NO_DIGEST } from '../../core/fingerprint.ts';
import { DATA, ZERO } from '../../core/format/segment.ts';
import { noise, tempFolder } from '../disk/support.ts';
import { chainSpecs, chunksOf, expectedLayerId, isZeros, KiB, MiB, withChain } from './scan-support.ts';

const folder = tempFolder();
const pool = new ChunkPool({ workers: 2, buffers: 3, bufferBytes: 1 * MiB });
afterAll(() => pool.close());
const quiet = new AbortController().signal;

/** A layer over one real file, of which extents and pieces are told. */
function fakeLayer(path: string, virtualBytes: number, extents: Extent[], pieces: DiskLayer['pieces']): DiskLayer {
  return {
    path,
    paths: [path],
    files: systemFiles,
    format: 'raw',
    virtualBytes,
    clusterBytes: 4 * KiB,
    async *extents() {
      yield* extents;
    },
    pieces,
  };
}

async function* each<T>(items: T[]) {
  yield* items;
}

describe('scanLayer', () => {
  it.each([
    [4 * KiB, 700],
    [64 * KiB, 50],
    [1 * MiB, 5],
  ])(
    'gives the layer ids that docs/FORMAT.md asks for, layer by layer, in chunks of %i',
    async (chunkBytes, chunks) => {
      const manifests = new ManifestStore(folder.at(`manifests-${chunkBytes}`));
      const property = fc.asyncProperty(chainSpecs(chunkBytes, chunks), (spec) =>
        withChain(folder.path(), spec, async (chain, model) => {
          let parent: Uint8Array = NO_DIGEST;
          for (const [depth, layer] of chain.layers.entries()) {
            const found = await scanLayer({ layer, chunkBytes, parent, pool, manifests, signal: quiet });
            const expected = chunksOf(spec, model[depth]!);
            expect(found.layerId).toBe(expectedLayerId(spec, expected, parent));
            const data = expected.filter((chunk) => chunk !== undefined && !isZeros(chunk));
            expect(found.dataBytes).toBe(data.reduce((sum, chunk) => sum + chunk!.length, 0));
            parent = fromHex(found.layerId);
          }
        }),
      );
      await fc.assert(property, { numRuns: 8 });
    },
  );

  it('reads over segments of 4,096 chunks, however sparse', async () => {
    const virtualBytes = 3 * 4096 * 4 * KiB + 512;
    const spec = {
      chunkBytes: 4 * KiB,
      clusterBytes: 4 * KiB,
      virtualBytes,
      layers: [
        [
          { cluster: 4090, clusters: 12, kind: 'data' as const, seed: 1 },
          { cluster: 3 * 4096, clusters: 1, kind: 'data' as const, seed: 2 },
        ],
      ],
    };
    await withChain(folder.path(), spec, async (chain, model) => {
      const manifests = new ManifestStore(folder.at('manifests-segments'));
      const job = { layer: chain.layers[0]!, chunkBytes: spec.chunkBytes, parent: NO_DIGEST };
      const found = await scanLayer({ ...job, pool, manifests, signal: quiet });
      expect(found.layerId).toBe(expectedLayerId(spec, chunksOf(spec, model[0]!)));
      const segments = await Promise.all([0, 1, 2, 3].map((index) => manifests.segment(found.layerId, index)));
      expect(segments.map((segment) => segment.count(DATA))).toEqual([6, 6, 0, 1]);
    });
  });

  it('takes explicit zeros for zeros without reading, if all that shows through is zero too', async () => {
    const path = folder.at('zeros');
    writeFileSync(path, '');
    const virtualBytes = 64 * 1024 * MiB;
    const asked: number[] = [];
    const extents: Extent[] = [
      { offset: 0, length: virtualBytes - 100 * KiB, state: 'zero' },
      { offset: virtualBytes - 100 * KiB, length: 100 * KiB, state: 'absent' },
    ];
    const layer = fakeLayer(path, virtualBytes, extents, async (at, length): Promise<Piece[]> => {
      asked.push(length);
      return [{ at, length, kind: 'zero' }];
    });
    const manifests = new ManifestStore(folder.at('manifests-zeros'));
    const job = { layer, chunkBytes: 64 * KiB, parent: NO_DIGEST };
    let readBytes = 0;
    const progress = (bytes: number) => {
      readBytes = bytes;
    };
    const found = await scanLayer({ ...job, pool, manifests, signal: quiet, progress });
    const last = await manifests.segment(found.layerId, 255);
    expect(last.count(ZERO)).toBe(4095);
    expect(found.dataBytes).toBe(0);
    expect(readBytes).toBe(0);
    expect(asked).toEqual([64 * KiB]);
  });

  it('seals nothing if the file changes while it is read', async () => {
    const path = folder.at('changing');
    writeFileSync(path, noise(4 * MiB, 3));
    const fd = openSync(path, 'r');
    let touched = false;
    const layer = fakeLayer(path, 4 * MiB, [{ offset: 0, length: 4 * MiB, state: 'data' }], async (at, length) => {
      if (!touched) utimesSync(path, 1, 1);
      touched = true;
      return [{ at, length, kind: 'file', fd, offset: at }];
    });
    const dir = folder.at('manifests-changing');
    const job = { layer, chunkBytes: 64 * KiB, parent: NO_DIGEST, pool, manifests: new ManifestStore(dir) };
    await expect(scanLayer({ ...job, signal: quiet })).rejects.toMatchObject({ code: 'LAYER_CHANGED' });
    expect(readdirSync(dir)).toEqual([]);
    closeSync(fd);
  });

  it('stops at once, leaves no draft, and gives the buffers back', async () => {
    const path = folder.at('aborted');
    writeFileSync(path, noise(16 * MiB, 4));
    const fd = openSync(path, 'r');
    const all: Extent[] = [{ offset: 0, length: 16 * MiB, state: 'data' }];
    const layer = fakeLayer(path, 16 * MiB, all, async (at, length) => [{ at, length, kind: 'file', fd, offset: at }]);
    const dir = folder.at('manifests-aborted');
    const job = { layer, chunkBytes: 4 * KiB, parent: NO_DIGEST, pool, manifests: new ManifestStore(dir) };
    const stop = new AbortController();
    let calls = 0;
    const progress = () => {
      if (++calls === 3) stop.abort(new Error('enough'));
    };
    await expect(scanLayer({ ...job, signal: stop.signal, progress })).rejects.toThrow('enough');
    expect(calls).toBe(3);
    expect(readdirSync(dir)).toEqual([]);
    await expect(scanLayer({ ...job, signal: stop.signal })).rejects.toThrow('enough');
    const again = await scanLayer({ ...job, signal: quiet });
    expect(again.dataBytes).toBe(16 * MiB);
    closeSync(fd);
  });

  it('gives the buffers back if its caller fails', async () => {
    const path = folder.at('caller');
    writeFileSync(path, noise(8 * MiB, 7));
    const fd = openSync(path, 'r');
    const all: Extent[] = [{ offset: 0, length: 8 * MiB, state: 'data' }];
    const layer = fakeLayer(path, 8 * MiB, all, async (at, length) => [{ at, length, kind: 'file', fd, offset: at }]);
    const manifests = new ManifestStore(folder.at('manifests-caller'));
    const job = { layer, chunkBytes: 64 * KiB, parent: NO_DIGEST, pool, manifests, signal: quiet };
    const progress = () => {
      throw new Error('my fault');
    };
    for (let time = 0; time < 4; time++) await expect(scanLayer({ ...job, progress })).rejects.toThrow('my fault');
    expect((await scanLayer(job)).dataBytes).toBe(8 * MiB);
    closeSync(fd);
  });

  it('passes a read error on by its code and reads on afterwards', async () => {
    const path = folder.at('unreadable');
    writeFileSync(path, noise(1 * MiB, 5));
    const file = openSync(path, 'r+');
    const directory = openSync(folder.path(), 'r');
    const layer = (fd: number) =>
      fakeLayer(path, 1 * MiB, [{ offset: 0, length: 1 * MiB, state: 'data' }], async (at, length) => [
        { at, length, kind: 'file', fd, offset: at },
      ]);
    const manifests = new ManifestStore(folder.at('manifests-unreadable'));
    const job = { chunkBytes: 64 * KiB, parent: NO_DIGEST, pool, manifests, signal: quiet };
    await expect(scanLayer({ ...job, layer: layer(directory) })).rejects.toMatchObject({ code: 'DISK_IO_FAILED' });
    const { dataBytes } = await scanLayer({ ...job, layer: layer(file) });
    expect(dataBytes).toBe(1 * MiB);
    closeSync(directory);
    closeSync(file);
  });
});

describe('ChunkPool', () => {
  it('fails reads that its end cuts off, and later ones', async () => {
    const path = join(folder.path(), 'pool');
    writeFileSync(path, noise(1 * MiB, 6));
    const fd = openSync(path, 'r');
    const own = new ChunkPool({ workers: 1, buffers: 2, bufferBytes: 1 * MiB });
    const piece = { at: 0, length: 1 * MiB, kind: 'file' as const, fd, offset: 0 };
    const span = { chunk: 0, count: 256, offset: 0, length: 1 * MiB, pieces: [piece] };
    const cut = Promise.all([own.read([span], 4 * KiB, quiet), own.read([span], 4 * KiB, quiet)]);
    await setImmediate();
    const closing = own.close();
    await expect(cut).rejects.toMatchObject({ code: 'SCAN_THREAD_DIED' });
    await closing;
    await expect(own.read([span], 4 * KiB, quiet)).rejects.toMatchObject({ code: 'SCAN_POOL_CLOSED' });
    closeSync(fd);
  });
});

describe('touchedRuns', () => {
  const geometry = geometryOf(10 * 64 * KiB + 512, 64 * KiB);
  const runs = async (...extents: [number, number, Extent['state']][]) => {
    const listed = extents.map(([offset, end, state]) => ({
      offset: offset * KiB,
      length: (end - offset) * KiB,
      state,
    }));
    const found: [number, number, string][] = [];
    for await (const { chunk, count, kind } of touchedRuns(each(listed), geometry)) found.push([chunk, count, kind]);
    return found;
  };

  it.each([
    ['nothing held', [[0, 640.5, 'absent']], []],
    ['zeros over all, the short last chunk too', [[0, 640.5, 'zero']], [[0, 11, 'zero']]],
    ['zeros within one chunk', [[4, 8, 'zero']], [[0, 1, 'read']]],
    ['zeros over a border', [[60, 68, 'zero']], [[0, 2, 'read']]],
    [
      'zeros with ragged ends',
      [[4, 200, 'zero']],
      [
        [0, 1, 'read'],
        [1, 2, 'zero'],
        [3, 1, 'read'],
      ],
    ],
    [
      'data and zeros that share a chunk',
      [
        [0, 100, 'data'],
        [100, 256, 'zero'],
      ],
      [
        [0, 2, 'read'],
        [2, 2, 'zero'],
      ],
    ],
    [
      'data in neighbouring chunks',
      [
        [0, 4, 'data'],
        [8, 12, 'data'],
        [70, 71, 'data'],
      ],
      [[0, 2, 'read']],
    ],
    ['the short last chunk held in part', [[640, 640.25, 'zero']], [[10, 1, 'read']]],
  ] as [string, [number, number, Extent['state']][], [number, number, string][]][])(
    '%s',
    async (_, extents, expected) => {
      expect(await runs(...extents)).toEqual(expected);
    },
  );
});
