import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ManifestStore } from '../../agent/manifests/store.ts';
import { type Geometry, geometryOf, segmentLength } from '../../core/chunk.ts';
import { fromHex, NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { encodeRoot, layerIdOf } from '../../core/format/root.ts';
import { encodeSegment, Segment, segmentId } from '../../core/format/segment.ts';
import { eachFolder } from './support.ts';

const folder = eachFolder();
const geometry = geometryOf(3 * 4096 * 4096 + 1000, 4096);
const parent = sha256(Buffer.from('the layer below'));

/** A segment with some zeros and a data chunk every `step` chunks. */
function segment(of: Geometry, index: number, step: number): Segment {
  const made = new Segment(segmentLength(of, index));
  for (let chunk = 0; chunk < made.chunks; chunk += step) made.setData(chunk, sha256(Buffer.from(`${index}.${chunk}`)));
  for (let chunk = 1; chunk < made.chunks; chunk += 7) if (made.states[chunk] === 0) made.setZero(chunk);
  return made;
}

async function sealed(store: ManifestStore, step = 3) {
  const draft = await store.draft(geometry, parent);
  for (const index of [2, 0, 3]) await draft.putSegment(index, segment(geometry, index, step));
  return draft.seal();
}

describe('ManifestStore', () => {
  it('keeps segments that come in any order and more than once, and gives each back', async () => {
    const store = new ManifestStore(folder.path());
    const draft = await store.draft(geometry, parent);
    await draft.putSegment(2, segment(geometry, 2, 1));
    await draft.putSegment(1, segment(geometry, 1, 2));
    await draft.putSegment(0, segment(geometry, 0, 5));
    const last = segment(geometry, 3, 1);
    expect(await draft.putSegment(3, last)).toBe(toHex(segmentId(last)));
    await draft.putSegment(2, segment(geometry, 2, 64));
    expect(await draft.putSegment(1, new Segment(4096))).toBe(toHex(NO_DIGEST));
    const { layerId, root } = await draft.seal();
    expect(layerId).toBe(toHex(layerIdOf(root)));

    const reopened = new ManifestStore(folder.path());
    expect(await reopened.root(layerId)).toEqual({ geometry, parent, segmentIds: root.segmentIds });
    expect(await reopened.rootBytes(layerId)).toEqual(encodeRoot(root));
    const found = await Promise.all([0, 1, 2, 3].map((index) => reopened.segment(layerId, index)));
    expect(encodeSegment(found[0]!)).toEqual(encodeSegment(segment(geometry, 0, 5)));
    expect(found[1]!.isEmpty).toBe(true);
    expect(encodeSegment(found[2]!)).toEqual(encodeSegment(segment(geometry, 2, 64)));
    expect(found[3]!.chunks).toBe(1);
  });

  it('seals the same manifest twice, and leaves nothing of a discarded one', async () => {
    const store = new ManifestStore(folder.path());
    const { layerId } = await sealed(store);
    expect((await sealed(store)).layerId).toBe(layerId);
    const draft = await store.draft(geometry, parent);
    await draft.putSegment(0, segment(geometry, 0, 9));
    await draft.discard();
    expect(readdirSync(folder.path())).toEqual([layerId]);
  });

  it('knows what it does not have, also after it was removed', async () => {
    const store = new ManifestStore(folder.at('not yet there'));
    const stranger = toHex(parent);
    expect(await store.root(stranger)).toBeUndefined();
    await expect(store.segment(stranger, 0)).rejects.toMatchObject({ code: 'MANIFEST_UNKNOWN' });
    const { layerId } = await sealed(store);
    expect(await store.root(layerId)).toBeDefined();
    await store.remove(layerId);
    expect(await store.root(layerId)).toBeUndefined();
    await store.remove(layerId);
  });

  it('sweeps what an earlier run left in the making, what is of no layer, and nothing else', async () => {
    const store = new ManifestStore(folder.path());
    const { layerId } = await sealed(store);
    await sealed(store, 5);
    mkdirSync(folder.at('draft-AbC123'));
    writeFileSync(folder.at('draft-AbC123', 'segments'), 'half');
    await new ManifestStore(folder.path()).sweep(new Set([layerId, '0'.repeat(64)]));
    expect(readdirSync(folder.path())).toEqual([layerId]);
    await new ManifestStore(folder.at('never made')).sweep(new Set());
    expect(existsSync(folder.at('never made'))).toBe(false);
  });

  it.each([
    ['root', 60],
    ['root', 0],
    ['segments', 5],
    ['segments', 7],
    ['segments', 9],
    ['segments', 3000],
  ])('notices a flipped bit in %s at byte %i', async (file, at) => {
    const { layerId } = await sealed(new ManifestStore(folder.path()));
    const path = join(folder.path(), layerId, file);
    const bytes = readFileSync(path);
    bytes[at]! ^= 4;
    writeFileSync(path, bytes);
    const store = new ManifestStore(folder.path());
    await expect(store.segment(layerId, 0)).rejects.toMatchObject({ code: 'MANIFEST_CORRUPT' });
  });

  it('notices that a file was cut off', async () => {
    const { layerId } = await sealed(new ManifestStore(folder.path()));
    writeFileSync(join(folder.path(), layerId, 'segments'), Buffer.alloc(5));
    const store = new ManifestStore(folder.path());
    for (const index of [0, 2]) {
      await expect(store.segment(layerId, index)).rejects.toMatchObject({ code: 'MANIFEST_CORRUPT' });
    }
    writeFileSync(join(folder.path(), layerId, 'root'), '');
    expect(fromHex(layerId)).toHaveLength(32);
    await expect(new ManifestStore(folder.path()).root(layerId)).rejects.toMatchObject({ code: 'MANIFEST_CORRUPT' });
  });
});
