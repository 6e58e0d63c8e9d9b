import { beforeEach, describe, expect, it } from 'vitest';
import { createEnrolledCloud, type TestCloud } from './support/cloud.ts';
import { id } from './support/samples.ts';

let cloud: TestCloud;
const names = ['debian', 'lamp', 'node'];

beforeEach(async () => {
  cloud = await createEnrolledCloud();
  for (const name of names) {
    const shape = { kind: 'os', virtualBytes: 9, chunkBytes: 65_536, dataBytes: 5, recordedMs: 1 } as const;
    await cloud.layers.record('default', { layerId: id(name), parent: null, name, ...shape });
  }
  await cloud.layers.announce('default', 'b/h2', [id('lamp')]);
});

describe('layers', () => {
  it('are listed page by page', async () => {
    const first = await cloud.call('listLayers', 'user', { query: { limit: 2 } });
    const second = await cloud.call('listLayers', 'user', { query: { limit: 2, after: first.next! } });
    const found = [...first.layers, ...second.layers].map((layer) => layer.layer_id);
    expect(found).toEqual(names.map(id).sort());
    expect(second.next).toBeUndefined();
  });

  it('tell who holds them', async () => {
    const layer = await cloud.call('getLayer', 'user', { params: { layer: id('lamp') } });
    expect(layer).toMatchObject({ name: 'lamp', holders: ['b/h2'], logical_bytes: 5 });
  });

  it('of another namespace, or of none, are unknown', async () => {
    const asked = { params: { layer: id('lamp') } };
    const elsewhere = { ...asked, headers: { 'x-layermover-namespace': 'other' } };
    expect((await cloud.refused('getLayer', 'user', elsewhere)).code).toBe('LAYER_UNKNOWN');
    expect((await cloud.refused('getLayer', 'user', { params: { layer: id('x') } })).code).toBe('LAYER_UNKNOWN');
  });
});
