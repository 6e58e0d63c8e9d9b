import { describe, expect, it } from 'vitest';
import { basesOf, disksOf, topStream, topsOf } from '../../core/disks.ts';
import { kindsOfDisks } from '../../core/kinds.ts';
import { assertAgreed, contentDigest, type Receipt } from '../../core/receipt.ts';

const layer = (name: string, disk?: string) => ({ name, ...(disk === undefined ? {} : { disk }) });
const names = (layers: readonly { name: string }[]) => layers.map(({ name }) => name);

describe('the layers of a VM', () => {
  it('of one disk are one chain', () => {
    const layers = [layer('os'), layer('we'), layer('ud')];
    expect(disksOf(layers)).toEqual([{ disk: undefined, layers }]);
    expect(names(topsOf(layers))).toEqual(['ud']);
    expect(names(basesOf(layers))).toEqual(['os', 'we']);
  });

  it('of several are a chain a disk, as long as each is', () => {
    const layers = [layer('os', 'root'), layer('ud', 'root'), layer('data', 'data'), layer('log', 'log')];
    expect(disksOf(layers).map((each) => [each.disk, ...names(each.layers)])).toEqual([
      ['root', 'os', 'ud'],
      ['data', 'data'],
      ['log', 'log'],
    ]);
    expect(names(topsOf(layers))).toEqual(['ud', 'data', 'log']);
    expect(names(basesOf(layers))).toEqual(['os']);
    expect(topsOf(layers.map((each) => ({ layer: each })))).toHaveLength(3);
  });

  it('name their streams by VM and disk', () => {
    expect([topStream('db', undefined), topStream('db', 'log')]).toEqual(['ud:db', 'ud:db/log']);
  });
});

describe('kinds of several disks', () => {
  it('are what each chain says, or one a layer as asked', () => {
    expect(kindsOfDisks([3, 1])).toEqual([['os', 'we', 'ud'], ['ud']]);
    expect(kindsOfDisks([2, 1], ['we', 'ud', 'ud'])).toEqual([['we', 'ud'], ['ud']]);
    expect(() => kindsOfDisks([2, 1], ['os', 'ud'])).toThrow(expect.objectContaining({ code: 'KINDS_MISMATCH' }));
    expect(() => kindsOfDisks([2, 1], ['ud', 'ud', 'ud'])).toThrow(expect.objectContaining({ code: 'KINDS_MISMATCH' }));
  });
});

describe('a receipt of several disks', () => {
  const receipt = (...disks: string[]): Receipt => ({
    ...{ vm: 'db', migration: 'm', side: 'source', chunkBytes: 4096, atMs: 0 },
    layers: disks.map((disk, at) => ({ disk, name: disk, layerId: `${at}`, virtualBytes: 1, evidence: 'read' })),
  });

  it('tells which disk holds what', () => {
    expect(contentDigest(receipt('root', 'log'))).not.toBe(contentDigest(receipt('log', 'root')));
    expect(() => assertAgreed(receipt('root', 'log'), receipt('root', 'log'))).not.toThrow();
    expect(() => assertAgreed(receipt('root', 'log'), receipt('root', 'data'))).toThrow(
      expect.objectContaining({ code: 'RECEIPTS_DIFFER', data: expect.objectContaining({ disk: 'log' }) }),
    );
  });
});
