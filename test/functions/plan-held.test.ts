import { beforeEach, describe, expect, it } from 'vitest';
import type { LayerSample } from '../../core/api/tasks.ts';
import { geometryOf } from '../../core/chunk.ts';
import { fromHex, NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { namespaceScope, objectKey } from '../../core/format/keys.ts';
import { encodeRoot } from '../../core/format/root.ts';
import { encodeSegment, Segment, segmentId } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import { hooksHeldThere } from '../../functions/steps/held-there.ts';
import { MIGRATION } from './support/cloud.ts';
import { chain, id } from './support/samples.ts';
import { createStepped, RECORD, type Stepped } from './support/steps.ts';

const CHUNK_BYTES = 65_536;
let s: Stepped;
beforeEach(async () => {
  s = await createStepped();
});

/** Chunks by number; the test's deployment gives each fingerprint an index row. */
const hook = (chunk: number) => id(`chunk ${chunk}`);
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);

/** A base layer of one segment each for these chunks, whose manifest is in the store and which the destination holds. */
async function heldLayer(name: string, segments: readonly (readonly number[])[], chunkBytes = CHUNK_BYTES) {
  const { cloud } = s;
  const put = (kind: 'segments' | 'layers', of: string, bytes: Uint8Array) =>
    cloud.objects.put(objectKey(namespaceScope('default'), kind, of), [bytes]);
  const geometry = geometryOf(segments.length * limits.segment_chunks * chunkBytes, chunkBytes);
  const ids: Uint8Array[] = [];
  for (const chunks of segments) {
    const segment = new Segment(limits.segment_chunks);
    for (const [at, chunk] of chunks.entries()) segment.setData(at, fromHex(hook(chunk)));
    const named = segmentId(segment);
    ids.push(named);
    await put('segments', toHex(named), encodeSegment(segment));
  }
  const root = encodeRoot({ geometry, parent: NO_DIGEST, segmentIds: Buffer.concat(ids) });
  const layerId = toHex(sha256(root));
  await put('layers', layerId, root);
  const { virtualBytes } = geometry;
  const shape = { kind: 'os', virtualBytes, dataBytes: 1, chunkBytes, recordedMs: 1 } as const;
  await cloud.layers.record('default', { layerId, parent: null, name, ...shape });
  await cloud.layers.announce('default', RECORD.to, [layerId]);
}

function sampleOf(stream: string, chunks: readonly number[]): LayerSample {
  return {
    stream,
    hooks: Buffer.concat(chunks.map((chunk) => fromHex(hook(chunk)))).toString('base64'),
    hooks_all: chunks.length,
    data_bytes: 1 << 25,
    raw_bytes: 1 << 20,
    compressed_bytes: 1 << 18,
  };
}

/** What each base layer of web-1 is expected to be fetched for. */
async function fetched(samples: LayerSample[]) {
  await s.step({ step: 'prepare' });
  await s.step({ step: 'dispatch', kind: 'survey', what: 'a/h1', token: 't' });
  const vms = RECORD.vmNames.map((name) => ({ name, layers: chain(name) }));
  for (const { name, layers } of vms)
    await s.cloud.migrations.updateVm(MIGRATION, { name, run: 1 }, { surveyed: layers });
  const result = { kind: 'survey' as const, vms, samples, rates: {}, writes: [] };
  await s.cloud.tasks.close(`${MIGRATION}.survey.a.h1`, 1, { status: 'done', result });
  await s.step({ step: 'plan' });
  return (await s.vmOf('web-1'))!.layers!.map(({ forecast }) => forecast!.pulled_bytes);
}

describe('what a destination is expected to fetch', () => {
  const whole = 1 << 23;

  it('is less by what layers of its own hold', async () => {
    await heldLayer('other', [numbers(0, 30)]);
    const [os, we] = await fetched([sampleOf(id('debian'), numbers(0, 40)), sampleOf(id('lamp'), numbers(100, 140))]);
    expect(os! / whole).toBeCloseTo(0.25, 1);
    expect(we! / whole).toBeCloseTo(1, 1);
  });

  it('is less by what layers hold that come before it', async () => {
    const [os, we] = await fetched([sampleOf(id('debian'), numbers(0, 40)), sampleOf(id('lamp'), numbers(20, 60))]);
    expect(os! / whole).toBeCloseTo(1, 1);
    expect(we! / whole).toBeCloseTo(0.5, 1);
  });
});

describe('looking into what a destination holds', () => {
  it('reads so many objects at the most, and leaves out layers of other chunk sizes', async () => {
    await heldLayer('small', [numbers(1000, 1010)], 4096);
    await heldLayer(
      'large',
      numbers(0, limits.plan_reads_max + 1).map((chunk) => [chunk]),
    );
    const found = await hooksHeldThere({ ...s.cloud, sampling: 1 }, RECORD);
    expect(found.size).toBe(limits.plan_reads_max - 1);
    expect(found).not.toContain(hook(1000));
  });
});
