import { describe, expect, it } from 'vitest';
import { routes } from '../../core/api/routes.ts';
import { errorFromJson, errorToJson, LayerMoverError } from '../../core/errors.ts';
import { isZero } from '../../core/fingerprint.ts';
import { kindsOf } from '../../core/kinds.ts';
import { relations } from '../../core/limit-relations.ts';
import { limits } from '../../core/limits.ts';
import { endState } from '../../core/migration.ts';
import { assertAgreed, contentDigest, type Receipt } from '../../core/receipt.ts';

describe('limits', () => {
  it.each(relations)('%s', (_, holds) => {
    expect(holds).toBe(true);
  });

  it('are positive and named with a unit or a thing that is counted', () => {
    for (const [name, value] of Object.entries(limits)) {
      expect(value, name).toBeGreaterThan(0);
      expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)+$/);
    }
  });
});

describe('kinds of a chain', () => {
  it.each([
    [1, ['ud']],
    [2, ['os', 'ud']],
    [3, ['os', 'we', 'ud']],
    [5, ['os', 'we', 'we', 'we', 'ud']],
  ])('of %i layers', (depth, kinds) => {
    expect(kindsOf(depth)).toEqual(kinds);
  });

  it('can be overridden, but only the top is user data', () => {
    expect(kindsOf(2, ['we', 'we'])).toEqual(['we', 'we']);
    expect(() => kindsOf(2, ['ud', 'ud'])).toThrow(expect.objectContaining({ code: 'KINDS_MISMATCH' }));
    expect(() => kindsOf(3, ['os', 'ud'])).toThrow(expect.objectContaining({ code: 'KINDS_MISMATCH' }));
  });
});

describe('receipts', () => {
  const layer = (name: string, digit: string) => ({
    name,
    layerId: digit.repeat(64),
    virtualBytes: 1,
    evidence: 'read' as const,
  });
  const receipt: Receipt = {
    vm: 'web-1',
    migration: 'm',
    side: 'source',
    chunkBytes: 65536,
    layers: [layer('os', 'a'), layer('ud', 'b')],
    atMs: 0,
  };

  it('agree on content, not on names, sides or times', () => {
    const other = { ...receipt, side: 'destination', atMs: 5, layers: [layer('os-1', 'a'), layer('ud', 'b')] } as const;
    expect(contentDigest(other)).toBe(contentDigest(receipt));
    expect(() => assertAgreed(receipt, other)).not.toThrow();
  });

  it.each([
    ['another layer', { layers: [layer('os', 'a'), layer('ud', 'c')] }],
    ['a missing layer', { layers: [layer('os', 'a')] }],
    ['another chunk size', { chunkBytes: 4096 }],
    ['another VM', { vm: 'web-2' }],
  ])('differ by %s', (_, change) => {
    expect(() => assertAgreed(receipt, { ...receipt, ...change })).toThrow(
      expect.objectContaining({ code: 'RECEIPTS_DIFFER' }),
    );
  });
});

describe('errors', () => {
  it('survive a trip through JSON with code, hint, data and cause', () => {
    const cause = Object.assign(new Error('no such file'), { code: 'ENOENT' });
    const error = new LayerMoverError('LAYER_CHANGED', 'changed', { hint: 'stop the VM', data: { name: 'os' }, cause });
    const back = errorFromJson(JSON.parse(JSON.stringify(error)));
    expect(back).toMatchObject({ code: 'LAYER_CHANGED', hint: 'stop the VM', data: { name: 'os' } });
    expect(back.cause).toMatchObject({ code: 'ENOENT' });
  });

  it('do not follow a loop of causes for ever', () => {
    const error: { cause?: unknown } & Error = new Error('a');
    error.cause = error;
    expect(JSON.stringify(errorToJson(error)).length).toBeLessThan(1000);
  });
});

describe('the end of a migration', () => {
  it('is committed only if every VM is', () => {
    expect(endState(['committed', 'committed'], true)).toBe('committed');
    expect(endState(['committed', 'rolled-back'], false)).toBe('failed');
    expect(endState(['rolled-back'], true)).toBe('aborted');
    expect(endState([], false)).toBe('failed');
  });
});

describe('the zero test', () => {
  it('finds a single bit anywhere', () => {
    const bytes = Buffer.alloc(200_000);
    expect(isZero(bytes)).toBe(true);
    expect(isZero(Buffer.alloc(0))).toBe(true);
    for (const at of [0, 1, 65_535, 65_536, 131_072, 199_998, 199_999]) {
      bytes[at] = 1;
      expect(isZero(bytes)).toBe(false);
      bytes[at] = 0;
    }
  });
});

describe('routes', () => {
  it('are distinct', () => {
    const all = Object.values(routes).map((route) => `${route.method} ${route.path}`);
    expect(new Set(all).size).toBe(all.length);
  });
});
