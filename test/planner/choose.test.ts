import { describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { choose } from '../../core/planner/choose.ts';
import { type LayerFacts, uncertainty } from '../../core/planner/facts.ts';
import { predict } from '../../core/planner/predict.ts';
import { ASSUMED, type Rates, ratesBetween } from '../../core/planner/rates.ts';
import type { Policy } from '../../core/treatments.ts';

const MB = 1e6;
const GB = 1e9;
const rates = (change: Partial<Record<keyof Rates, number>> = {}): Rates => {
  const values = {
    hash: GB,
    compress: 400 * MB,
    up: 12.5 * MB,
    down: 12.5 * MB,
    readBack: GB,
    unpack: GB,
    load: 1,
    call: 10,
    lookup: 30,
  };
  const all = Object.entries({ ...values, ...change });
  return Object.fromEntries(all.map(([name, value]) => [name, { value, from: 'measured' }])) as unknown as Rates;
};
const facts = (change: Partial<LayerFacts> = {}): LayerFacts => ({
  kind: 'os',
  present: false,
  stored: false,
  dataBytes: GB,
  chunkBytes: limits.chunk_bytes_default,
  fingerprinted: true,
  duplicates: { value: 0.5, seen: 2000, all: 2000 },
  compressed: { value: 0.4, seen: 1, all: 1 },
  ...change,
});
const one = (change: Partial<LayerFacts>, link = rates(), policy: Policy = 'auto', live = false) =>
  choose([{ facts: facts(change), rates: link, changing: live }], policy, limits.migration_fixed_ms)[0]!;

describe('what a treatment takes', () => {
  it('is the slowest stage of its pipeline, and what lies around it', () => {
    const direct = predict('direct', facts(), rates());
    expect(direct.packBytes).toBe(0.4 * GB);
    const linkMs = (1000 * direct.wireBytes) / (12.5 * MB);
    expect(direct.milliseconds).toBeGreaterThan(linkMs);
    expect(direct.milliseconds).toBeLessThan(1.2 * linkMs + direct.stages.readBack);
  });

  it('of nothing takes what any layer takes, and for the source its last call', () => {
    const nothing = predict('direct', facts({ dataBytes: 0 }), rates());
    expect(nothing.milliseconds).toBe(limits.layer_fixed_ms + 10);
    expect(nothing.sourceMs).toBe(10);
  });

  it('waits for two packs that arrive together over a slow link', () => {
    // So few, and over a link that slow, that they are as small as may be.
    const pack = limits.pack_raw_bytes_min;
    const slow = rates({ compress: 1e15, hash: 1e15, readBack: 1e15, unpack: 1e15, up: MB, down: MB, call: 1e-3 });
    const of = (packs: number) => predict('direct', facts({ dataBytes: packs * pack }), slow).milliseconds;
    const packMs = (1000 * 0.4 * pack) / MB;
    expect((of(4) - limits.layer_fixed_ms) / packMs).toBeCloseTo(4 + 2, 1);
    expect((of(1) - limits.layer_fixed_ms) / packMs).toBeCloseTo(1 + 1, 1);
  });

  it('is longer by what else the source’s cores do, where they are the slowest', () => {
    const of = (load: number) => predict('direct', facts(), rates({ up: GB, down: GB, load })).milliseconds;
    expect(of(2) / of(1)).toBeGreaterThan(1.4);
  });

  it('sends half if half is known, and asks for every chunk', () => {
    const dedup = predict('dedup', facts(), rates());
    const manifest = 32 * Math.ceil(GB / limits.chunk_bytes_default);
    expect(dedup.wireBytes).toBeCloseTo(0.2 * GB + 2 * manifest, 0);
    expect(dedup.lookups).toBe(Math.ceil(Math.ceil(GB / limits.chunk_bytes_default) / limits.segment_chunks));
  });

  it('of what the store has is nothing for the source', () => {
    const stored = predict('dedup', facts({ stored: true }), rates());
    expect(stored).toMatchObject({ wireBytes: 0, lookups: 0, packedRawBytes: 0 });
    expect(stored.milliseconds).toBeGreaterThanOrEqual((1000 * 0.4 * GB) / (12.5 * MB));
  });

  it.each([0.2, 0.5, 0.7])(
    'breaks even, read to its end first, at a link of r·H for packs that do not shrink (r = %f)',
    (r) => {
      const H = 400 * MB;
      const isFaster = (link: number) => {
        const free = rates({
          hash: H,
          compress: 1e15,
          up: link,
          down: 1e15,
          readBack: 1e15,
          unpack: 1e15,
          call: 1e-3,
          lookup: 1e-3,
        });
        const layer = facts({
          dataBytes: 100 * GB,
          fingerprinted: false,
          duplicates: { value: r, seen: 1, all: 1 },
          compressed: { value: 1, seen: 1, all: 1 },
        });
        return predict('dedup', layer, free).milliseconds < predict('direct', layer, free).milliseconds;
      };
      expect(isFaster(0.95 * r * H)).toBe(true);
      expect(isFaster(1.1 * r * H)).toBe(false);
    },
  );
});

describe('the choice', () => {
  it.each([
    ['skips what is there, whatever the policy', { present: true }, 'direct', 'skip'],
    ['deduplicates a base layer', {}, 'auto', 'dedup'],
    ['deduplicates a base layer that the store has', { stored: true }, 'auto', 'dedup'],
    ['sends user data direct that nobody has looked up', { kind: 'ud', duplicates: undefined }, 'auto', 'direct'],
    ['sends unique user data direct', { kind: 'ud', duplicates: { value: 0, seen: 9, all: 9 } }, 'auto', 'direct'],
    ['deduplicates user data that others hold', { kind: 'ud' }, 'auto', 'dedup'],
    ['obeys a policy', { kind: 'ud' }, 'direct', 'direct'],
    ['goes by kind if told so', {}, 'kind', 'dedup'],
    ['goes by kind if told so', { kind: 'ud' }, 'kind', 'direct'],
    ['sends what the store has only if it must', { stored: true }, 'direct', 'direct'],
    ['obeys a policy', { kind: 'ud', duplicates: undefined }, 'dedup', 'dedup'],
  ] as const)('%s', (_, change, policy, treatment) => {
    expect(one(change, rates({ down: 125 * MB }), policy).treatment).toBe(treatment);
  });

  it('sends user data direct where the destination’s link is what it waits for: all of it comes down either way', () => {
    expect(one({ kind: 'ud', dataBytes: 10 * GB }, rates({ down: 12.5 * MB })).treatment).toBe('direct');
  });

  it('sends what a running VM writes to direct', () => {
    expect(one({ kind: 'ud' }, rates(), 'dedup', true).treatment).toBe('direct');
  });

  it('does not look up what is sent sooner than asked for', () => {
    const slow = rates({ up: 1250 * MB, down: 1250 * MB, lookup: 4000 });
    const chosen = one({ duplicates: { value: 0.1, seen: 9, all: 9 } }, slow);
    expect(chosen.treatment).toBe('direct');
    expect(chosen.other!.milliseconds).toBeGreaterThan(chosen.prediction.milliseconds);
  });

  it('stores new base layers for the next VM as long as that costs the migration little, the cheapest first', () => {
    const base = { duplicates: { value: 0, seen: 9, all: 9 }, dataBytes: 50 * MB };
    const candidates = Array.from({ length: 8 }, () => ({
      facts: facts(base),
      rates: rates({ up: 1250 * MB, down: 1250 * MB, call: 50, lookup: 60 }),
      changing: false,
    }));
    const chosen = choose(candidates, 'auto', limits.migration_fixed_ms);
    const stored = chosen.filter(({ treatment }) => treatment === 'dedup');
    const lost = stored.map(({ prediction, other }) => prediction.milliseconds - other!.milliseconds);
    expect(stored.length).toBeGreaterThan(0);
    expect(stored.length).toBeLessThan(8);
    const sum = lost.reduce((all, each) => all + each, 0);
    expect(sum).toBeLessThanOrEqual(limits.plan_investment_ms);
    expect(limits.plan_investment_percent * 100).toBeLessThan(limits.plan_investment_ms);
    expect(stored[0]!.reason).toContain('the next VM need not send');
  });

  it('says why in numbers', () => {
    expect(one({ duplicates: { value: 0.5, seen: 100, all: 2000 } }).reason).toMatch(
      /^50 % ± 10 % of its chunks are known: dedup takes [\d.]+ s, direct [\d.]+ s$/,
    );
  });
});

describe('rates', () => {
  it('that nobody knows are assumed, and say so', () => {
    const between = ratesBetween({ hash: { value: 5, from: 'measured' } }, { down: { value: 7, from: 'remembered' } });
    expect(between.hash).toEqual({ value: 5, from: 'measured' });
    expect(between.down).toEqual({ value: 7, from: 'remembered' });
    expect(between.up).toEqual({ value: ASSUMED.up, from: 'assumed' });
  });

  it('of a source that is held to a rate are that rate', () => {
    expect(ratesBetween({ up: { value: 9, from: 'remembered' } }, {}, 4).up.value).toBe(4);
    expect(ratesBetween({ up: { value: 3, from: 'remembered' } }, {}, 4).up).toEqual({ value: 3, from: 'remembered' });
  });
});

describe('the uncertainty of a share', () => {
  it('is none if all were seen, all if none were', () => {
    expect(uncertainty({ value: 0.3, seen: 50, all: 50 })).toBe(0);
    expect(uncertainty({ value: 0, seen: 0, all: 50 })).toBe(1);
  });

  it('holds the true share in 19 of 20 samples', () => {
    const all = 4000;
    const truth = 0.35;
    let held = 0;
    for (let sample = 0; sample < 400; sample++) {
      let state = sample + 1;
      const next = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
      };
      for (let warm = 0; warm < 20; warm++) next();
      let known = 0;
      for (let seen = 0; seen < 64; seen++) known += next() < truth ? 1 : 0;
      const share = { value: known / 64, seen: 64, all };
      if (Math.abs(share.value - truth) <= uncertainty(share)) held++;
    }
    expect(held / 400).toBeGreaterThan(0.9);
  });
});
