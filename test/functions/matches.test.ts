import { beforeEach, describe, expect, it } from 'vitest';
import { PUBLIC_NAMESPACE } from '../../core/api/names.ts';
import { geometryOf } from '../../core/chunk.ts';
import { fromHex, NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { namespaceScope, objectKey } from '../../core/format/keys.ts';
import { encodeRoot } from '../../core/format/root.ts';
import { encodeSegment, Segment, segmentId } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { ObjectJanitor } from '../../core/ports.ts';
import { createEnrolledCloud, createTestCloud, type TestCloud } from './support/cloud.ts';

const CHUNK = 65_536;
const SEGMENT = limits.segment_chunks;

type Content = Readonly<Record<number, string | 'zero'>>;

let cloud: TestCloud;
let reads: string[];
beforeEach(async () => {
  const enrolled = await createEnrolledCloud();
  reads = [];
  const get: ObjectJanitor['get'] = (key, part) => {
    reads.push(key);
    return enrolled.objects.get(key, part);
  };
  cloud = createTestCloud({ clock: enrolled.clock, ports: { ...enrolled, objects: { ...enrolled.objects, get } } });
});

function fingerprint(content: string): Buffer {
  return sha256(Buffer.from(content));
}

/** Stores the manifest of a layer of four segments, and its record; gives its id. */
async function store(
  name: string,
  parent: string | null,
  content: Content,
  more = { chunkBytes: CHUNK, usedMs: 1 },
  namespace = 'default',
) {
  const geometry = geometryOf(4 * SEGMENT * CHUNK, CHUNK);
  const ids: Uint8Array[] = [];
  for (let index = 0; index < geometry.segments; index++) {
    const segment = new Segment(SEGMENT);
    for (const [chunk, what] of Object.entries(content)) {
      const within = Number(chunk) - index * SEGMENT;
      if (within < 0 || within >= SEGMENT) continue;
      if (what === 'zero') segment.setZero(within);
      else segment.setData(within, fingerprint(what));
    }
    const id = segmentId(segment);
    ids.push(id);
    if (!segment.isEmpty) await put('segments', toHex(id), encodeSegment(segment), namespace);
  }
  const root = { geometry, parent: parent === null ? NO_DIGEST : fromHex(parent), segmentIds: Buffer.concat(ids) };
  const layerId = toHex(sha256(encodeRoot(root)));
  await put('layers', layerId, encodeRoot(root), namespace);
  const shape = { kind: parent === null ? 'os' : 'we', virtualBytes: geometry.virtualBytes, dataBytes: 1 } as const;
  await cloud.layers.record(namespace, { layerId, parent, name, recordedMs: 1, ...shape, ...more });
  return layerId;
}

async function put(kind: 'segments' | 'layers', id: string, bytes: Uint8Array, namespace = 'default'): Promise<void> {
  await cloud.objects.put(objectKey(namespaceScope(namespace), kind, id), [bytes]);
}

function match(content: Content, namespace?: string) {
  const sample = Object.entries(content).map(([chunk, what]) => {
    return { chunk: Number(chunk), fingerprint: toHex(fingerprint(what)) };
  });
  return cloud.call('matchLayers', 'user', { body: { chunk_bytes: CHUNK, sample } }, namespace);
}

async function found(content: Content) {
  const { layers, passed_over } = await match(content);
  return { layers: layers.map(({ layer, matched }) => [layer.name, matched]), passed_over };
}

describe('a sample of a disk', () => {
  it('is held against layers through those that they lie on, the best first', async () => {
    const debian = await store('debian', null, { 0: 'a', 1: 'b', 2: 'c', [SEGMENT]: 'd', 7: 'h' });
    await store('web', debian, { 1: 'B', 2: 'zero', 3: 'e' });
    const lamp = await store('lamp', debian, { 3: 'e', 4: 'f', 7: 'other' });
    await store('plugin', lamp, { 5: 'g', 7: 'h' });
    await store('fedora', null, { 0: 'x', 1: 'a' });
    const sample = { 0: 'a', 1: 'b', 2: 'c', 3: 'e', 4: 'f', 5: 'g', 7: 'h', [SEGMENT]: 'd', [2 * SEGMENT]: 'free' };
    expect(await found(sample)).toEqual({
      layers: [
        ['plugin', 8],
        ['lamp', 6],
        ['debian', 5],
        ['web', 4],
      ],
      passed_over: 0,
    });
  });

  it('makes no more be read than roots and the segments that it touches', async () => {
    const debian = await store('debian', null, { 0: 'a', [SEGMENT]: 'b', [3 * SEGMENT]: 'c' });
    await store('web', debian, { 0: 'x', [3 * SEGMENT]: 'd' });
    await found({ 0: 'a', 1: 'b' });
    expect(reads.map((key) => key.split('/')[2]).sort()).toEqual(['layers', 'layers', 'segments', 'segments']);
  });

  it('leaves alone what lies on layers that hold nothing of it, and what has another chunk size', async () => {
    const fedora = await store('fedora', null, { 0: 'x' });
    await store('on it', fedora, { 1: 'b' });
    await store('large chunks', null, { 0: 'a', 2: 'z' }, { chunkBytes: 2 * CHUNK, usedMs: 1 });
    await store('debian', null, { 0: 'a' });
    expect(await found({ 0: 'a', 1: 'b' })).toEqual({ layers: [['debian', 1]], passed_over: 2 });
    expect(reads.filter((key) => key.includes('/layers/'))).toHaveLength(2);
  });

  it('goes on from match_branches_max layers, the best', async () => {
    for (let i = 0; i <= limits.match_branches_max; i++) {
      const content = Object.fromEntries(Array.from({ length: i + 1 }, (_, chunk) => [chunk, `${chunk}`]));
      await store(`over ${i}`, await store(`base ${i}`, null, content), { 9: 'own' });
    }
    const sample = Object.fromEntries(Array.from({ length: 10 }, (_, chunk) => [chunk, `${chunk}`]));
    const { layers, passed_over } = await found(sample);
    expect(layers).toContainEqual(['base 0', 1]);
    expect(layers).not.toContainEqual(['over 0', 1]);
    expect(layers).toContainEqual(['over 1', 2]);
    expect(passed_over).toBe(1);
  });

  it('passes over what is damaged or gone', async () => {
    const good = await store('good', null, { 0: 'a' });
    const gone = await store('gone', null, { 0: 'a', 1: 'b' });
    const wrong = await store('wrong', null, { 0: 'a', 2: 'b' });
    const key = (id: string) => objectKey(namespaceScope('default'), 'layers', id);
    await cloud.objects.remove([key(gone), key(wrong)]);
    await put('layers', wrong, await cloud.objects.get(key(good), { bytesMax: 1e6 }));
    expect(await found({ 0: 'a', 1: 'b' })).toEqual({ layers: [['good', 1]], passed_over: 2 });
  });

  it('ends after match_reads_max objects: the layers used last were looked at', async () => {
    for (let i = 0; i < limits.match_reads_max / 2 + 10; i++)
      await store(`layer ${i}`, null, { 0: 'a', 1: `${i}` }, { chunkBytes: CHUNK, usedMs: 1000 + i });
    const { layers, passed_over } = await found({ 0: 'a' });
    expect(reads.length).toBe(limits.match_reads_max);
    expect(layers.length + passed_over).toBe(limits.match_reads_max / 2 + 10);
    expect(passed_over).toBeGreaterThanOrEqual(10);
    expect(layers.map(([name]) => name)).not.toContain('layer 0');
  });

  it('is held against match_layers_max layers of a namespace at the most', async () => {
    const record = { parent: null, name: 'x', recordedMs: 1, kind: 'os', virtualBytes: 9, dataBytes: 1 } as const;
    for (let i = 0; i < limits.match_layers_max + 1; i++)
      await cloud.layers.record('default', { ...record, layerId: toHex(fingerprint(`${i}`)), chunkBytes: 2 * CHUNK });
    expect(await found({ 0: 'a' })).toEqual({ layers: [], passed_over: limits.match_layers_max + 1 });
  });

  it('is held against published layers, too, and against the namespace’s own over them', async () => {
    const shape = { chunkBytes: CHUNK, usedMs: 1 };
    const debian = await store('debian', null, { 0: 'a', 1: 'b' }, shape, PUBLIC_NAMESPACE);
    await store('web', debian, { 2: 'c' });
    const { layers } = await match({ 0: 'a', 1: 'b', 2: 'c' });
    const told = layers.map(({ layer, matched }) => [layer.name, layer.published, matched]);
    expect(told).toEqual([
      ['web', false, 3],
      ['debian', true, 2],
    ]);
  });

  it('tells nothing of another namespace', async () => {
    await store('debian', null, { 0: 'a' });
    expect(await match({ 0: 'a' }, 'other')).toEqual({ layers: [], passed_over: 0 });
  });

  it.each([
    ['more chunks than sample_chunks_max', Array.from({ length: limits.sample_chunks_max + 1 }, (_, i) => i)],
    [
      'more segments than sample_segments_max',
      Array.from({ length: limits.sample_segments_max + 1 }, (_, i) => i * SEGMENT),
    ],
    ['a chunk twice', [1, 1]],
    ['nothing', []],
  ])('of %s is refused', async (_, chunks) => {
    const sample = chunks.map((chunk) => ({ chunk, fingerprint: 'a'.repeat(64) }));
    const { code } = await cloud.refused('matchLayers', 'user', { body: { chunk_bytes: CHUNK, sample } });
    expect(code).toBe('BODY_INVALID');
    expect(reads).toEqual([]);
  });

  it('in chunks of a size that no layer can have is refused', async () => {
    const body = { chunk_bytes: 5000, sample: [{ chunk: 0, fingerprint: 'a'.repeat(64) }] };
    expect((await cloud.refused('matchLayers', 'user', { body })).code).toBe('GEOMETRY_REFUSED');
  });
});
