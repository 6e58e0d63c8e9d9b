import { copyFileSync, rmSync, statSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openChain } from '../../agent/disk/chain.ts';
import { diskLimits } from '../../agent/disk/limits.ts';
import { readPieces } from '../../agent/disk/pieces.ts';
import { createQcow2, createRaw, type DiskWriter } from '../../agent/disk/writer.ts';
import { expectSame, extentsOf, KiB, MiB, noise, readAll, tempFolder, withChain } from './support.ts';

const folder = tempFolder();
const SECTOR = 512;

interface Shape {
  readonly clusterBytes: number;
  readonly version: 2 | 3;
  readonly sectors: number;
}

/** An operation at sectors, as fractions of the disk, so that it fits any disk. */
interface Operation {
  readonly kind: 'write' | 'zero' | 'chunks';
  readonly at: number;
  readonly length: number;
  readonly seed: number;
}

const fraction = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom('write', 'zero', 'chunks'),
  at: fc.oneof(fraction, fc.constant(0)),
  length: fc.oneof(fraction, fc.constantFrom(0.001, 0.01, 0.1)),
  seed: fc.nat(1000),
});

/** What a layer holds: bytes, and per sector whether it was written, to tell what shows through. */
interface Model {
  readonly bytes: Buffer;
  readonly written: Uint8Array;
}

function range(sectors: number, { at, length }: Operation): { offset: number; bytes: number } {
  const first = Math.floor(at * sectors);
  const count = Math.max(1, Math.floor(length * (sectors - first)));
  return { offset: first * SECTOR, bytes: count * SECTOR };
}

async function apply(writer: DiskWriter, model: Model, operation: Operation): Promise<void> {
  const { offset, bytes } = range(model.written.length, operation);
  model.written.fill(1, offset / SECTOR, (offset + bytes) / SECTOR);
  if (operation.kind === 'zero') {
    model.bytes.fill(0, offset, offset + bytes);
    return writer.writeZeros(offset, bytes);
  }
  const content = noise(bytes, operation.seed);
  content.copy(model.bytes, offset);
  if (operation.kind === 'write') return writer.write(offset, content);
  // As the pull does it: chunk after chunk, every third of zeros, without waiting for each.
  const chunk = 32 * KiB;
  const calls: Promise<void>[] = [];
  for (let from = 0; from < bytes; from += chunk) {
    const part = content.subarray(from, from + chunk);
    if ((from / chunk) % 3 !== 2) calls.push(writer.write(offset + from, part));
    else {
      model.bytes.fill(0, offset + from, offset + from + part.length);
      calls.push(writer.writeZeros(offset + from, part.length));
    }
  }
  await Promise.all(calls);
}

/** What a layer must show: its own sectors, else those of the model below, zeros beyond that one's end. */
function modelOver(below: Model | undefined, sectors: number): Model {
  const bytes = Buffer.alloc(sectors * SECTOR);
  below?.bytes.copy(bytes);
  return { bytes, written: new Uint8Array(sectors) };
}

async function checkChain(shapes: readonly Shape[], operations: readonly (readonly Operation[])[]): Promise<void> {
  // By the size of clusters: tests of other sizes run at the same time.
  const name = (i: number) => `layer${i}-${shapes[0]!.clusterBytes}.qcow2`;
  const path = (i: number) => folder.at(name(i));
  const models: Model[] = [];
  for (const [i, { clusterBytes, version, sectors }] of shapes.entries()) {
    rmSync(path(i), { force: true });
    const below = i === 0 ? undefined : await openChain(path(i - 1), { imageFolder: folder.path() });
    const backing = below && { name: name(i - 1), format: 'qcow2' as const, chain: below.layers.at(-1)! };
    const writer = await createQcow2(path(i), {
      ...{ virtualBytes: sectors * SECTOR, clusterBytes, version },
      ...(backing === undefined ? {} : { backing }),
    });
    const model = modelOver(models.at(-1), sectors);
    for (const operation of operations[i]!) await apply(writer, model, operation);
    await writer.finish();
    await below?.close();
    models.push(model);
  }
  await withChain(path(shapes.length - 1), folder.path(), async ({ layers }) => {
    for (const [i, layer] of layers.entries()) {
      expectSame(await readAll(layer), models[i]!.bytes);
      await checkExtents(layer, models[i]!);
    }
  });
}

/** Extents cover the disk in order, and what was written is never absent. */
async function checkExtents(layer: Parameters<typeof extentsOf>[0], model: Model): Promise<void> {
  let end = 0;
  for (const { offset, length, state } of await extentsOf(layer)) {
    expect(offset).toBe(end);
    expect(length).toBeGreaterThan(0);
    end += length;
    const hidesBelow = layer.qcow2?.version === 3 || layer.path.includes('layer0') === false;
    if (state === 'absent' && hidesBelow) {
      expect(model.written.subarray(offset / SECTOR, end / SECTOR).includes(1)).toBe(false);
    }
    if (state === 'zero') expect(model.bytes.subarray(offset, end).every((byte) => byte === 0)).toBe(true);
  }
  expect(end).toBe(layer.virtualBytes);
}

describe('a chain of three that was written is read back as a model in memory has it', () => {
  test.concurrent.each([
    ['4 KiB', 4 * KiB, 400 * KiB, 60],
    ['64 KiB', 64 * KiB, 1 * MiB, 60],
    ['2 MiB', 2 * MiB, 7 * MiB, 12],
    ['512 B', 512, 150 * KiB, 30],
  ])('clusters of %s', async (_, clusterBytes, bytesMax, numRuns) => {
    const sectorsMax = bytesMax / SECTOR;
    const shape = fc.record({
      clusterBytes: fc.constant(clusterBytes),
      version: fc.constantFrom(2 as const, 3 as const),
      sectors: fc.integer({ min: Math.floor(sectorsMax / 2), max: sectorsMax }),
    });
    const three = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 3, maxLength: 3 });
    const operations = fc.array(operation, { maxLength: 8 });
    await fc.assert(fc.asyncProperty(three(shape), three(operations), checkChain), { numRuns });
  });

  test('raw, sparse where it can be', async () => {
    const operations = fc.array(operation, { maxLength: 10 });
    const property = fc.asyncProperty(fc.integer({ min: 1, max: 5000 }), operations, async (sectors, operations) => {
      rmSync(folder.at('disk.raw'), { force: true });
      const writer = await createRaw(folder.at('disk.raw'), { virtualBytes: sectors * SECTOR });
      const model = modelOver(undefined, sectors);
      for (const operation of operations) await apply(writer, model, operation);
      await writer.finish();
      await withChain(folder.at('disk.raw'), folder.path(), async ({ layers: [layer] }) => {
        expectSame(await readAll(layer!), model.bytes);
      });
    });
    await fc.assert(property, { numRuns: 30 });
  });
});

describe('what a writer stores', () => {
  const MAP = { virtualBytes: 64 * MiB, clusterBytes: 2 * MiB };

  async function holds(version: 2 | 3, name: string, write: (writer: DiskWriter) => Promise<void>) {
    const writer = await createQcow2(folder.at(name), { ...MAP, version });
    await write(writer);
    await writer.finish();
    return withChain(folder.at(name), folder.path(), async ({ layers: [layer] }) => ({
      extents: await extentsOf(layer!),
      stored: (await layer!.pieces(0, MAP.virtualBytes)).filter((piece) => piece.kind === 'file').length,
    }));
  }

  test('zeros in chunks smaller than a cluster make zero clusters, in version 2 zeroed data', async () => {
    const write = async (writer: DiskWriter) => {
      for (let at = 2 * MiB; at < 6 * MiB; at += 64 * KiB) await writer.writeZeros(at, 64 * KiB);
      await writer.writeZeros(9 * MiB, 64 * KiB);
    };
    const v3 = await holds(3, 'zeros3.qcow2', write);
    expect(v3.extents).toEqual([
      { offset: 0, length: 2 * MiB, state: 'absent' },
      { offset: 2 * MiB, length: 4 * MiB, state: 'zero' },
      { offset: 6 * MiB, length: 2 * MiB, state: 'absent' },
      { offset: 8 * MiB, length: 2 * MiB, state: 'zero' },
      { offset: 10 * MiB, length: 54 * MiB, state: 'absent' },
    ]);
    const v2 = await holds(2, 'zeros2.qcow2', write);
    expect(v2.extents).toEqual(
      v3.extents.map((extent) => (extent.state === 'zero' ? { ...extent, state: 'data' } : extent)),
    );
  });

  test('more tables than the cache holds, each visited twice', async () => {
    const clusterBytes = 64 * KiB;
    const tableBytes = clusterBytes * (clusterBytes / 8);
    const tables = diskLimits.table_cache_bytes / clusterBytes + 50;
    const path = folder.at('wide.qcow2');
    const writer = await createQcow2(path, { virtualBytes: tables * tableBytes, clusterBytes, version: 3 });
    for (const cluster of [1, 3]) {
      for (let i = 0; i < tables; i++) {
        await writer.write(i * tableBytes + cluster * clusterBytes, noise(clusterBytes, i + cluster));
      }
    }
    await writer.finish();
    await withChain(path, folder.path(), async ({ layers: [layer] }) => {
      expect((await extentsOf(layer!)).filter(({ state }) => state === 'data')).toHaveLength(2 * tables);
      const cluster = Buffer.alloc(clusterBytes);
      for (const i of [0, 1, 40, tables - 1]) {
        const at = i * tableBytes + 3 * clusterBytes;
        readPieces(await layer!.pieces(at, clusterBytes), at, cluster);
        expectSame(cluster, noise(clusterBytes, i + 3));
      }
    });
  });

  test('chunks in order make one run of clusters in the file', async () => {
    const { extents, stored } = await holds(3, 'run.qcow2', async (writer) => {
      const calls: Promise<void>[] = [];
      for (let at = 2 * MiB; at < 40 * MiB; at += 64 * KiB) calls.push(writer.write(at, noise(64 * KiB, at)));
      await Promise.all(calls);
    });
    expect(stored).toBe(1);
    expect(extents[1]).toEqual({ offset: 2 * MiB, length: 38 * MiB, state: 'data' });
  });

  test('a long run from the middle of a cluster to the middle of another', async () => {
    const bytes = noise(13 * MiB, 3);
    const writer = await createQcow2(folder.at('middle.qcow2'), { ...MAP, version: 3 });
    for (let at = 0; at < bytes.length; at += 3 * MiB)
      await writer.write(MiB + 512 + at, bytes.subarray(at, at + 3 * MiB));
    await writer.finish();
    await withChain(folder.at('middle.qcow2'), folder.path(), async ({ layers: [layer] }) => {
      const expected = Buffer.alloc(MAP.virtualBytes);
      bytes.copy(expected, MiB + 512);
      expectSame(await readAll(layer!), expected);
    });
  });

  test('nothing readable before finish, nothing at all after discard', async () => {
    const writer = await createQcow2(folder.at('unfinished.qcow2'), { ...MAP, version: 3 });
    await writer.write(0, noise(8 * MiB, 1));
    copyFileSync(folder.at('unfinished.qcow2'), folder.at('copy.qcow2'));
    const half = openChain(folder.at('copy.qcow2'), { imageFolder: folder.path(), topFormat: 'qcow2' });
    await expect(half).rejects.toMatchObject({ code: 'QCOW2_INVALID' });
    const called = openChain(folder.at('copy.qcow2'), { imageFolder: folder.path() });
    await expect(called).rejects.toMatchObject({ code: 'IMAGE_FORMAT_AMBIGUOUS' });
    await writer.discard();
    const gone = openChain(folder.at('unfinished.qcow2'), { imageFolder: folder.path() });
    await expect(gone).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
  });

  test('raw zeros over holes stay holes', async () => {
    const writer = await createRaw(folder.at('holes.raw'), { virtualBytes: 64 * MiB + 100 });
    await writer.write(16 * MiB, noise(MiB, 1));
    await writer.writeZeros(0, 64 * MiB + 100);
    await writer.finish();
    await withChain(folder.at('holes.raw'), folder.path(), async ({ layers: [layer] }) => {
      expect(layer!.virtualBytes).toBe(64 * MiB + 100);
      expectSame(await readAll(layer!), Buffer.alloc(64 * MiB + 100));
    });
    const { blocks } = statSync(folder.at('holes.raw'));
    expect(blocks * 512).toBeLessThanOrEqual(2 * MiB);
  });
});
