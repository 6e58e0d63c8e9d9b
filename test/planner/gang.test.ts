import { describe, expect, it } from 'vitest';
import { limits } from '../../core/limits.ts';
import { forecastOf } from '../../core/planner/forecast.ts';
import { migrationMs, split } from '../../core/planner/gang.ts';
import { type Prediction, predict } from '../../core/planner/predict.ts';
import { ratesBetween } from '../../core/planner/rates.ts';

const MB = 1e6;
const rates = ratesBetween({}, {});
const taking = (bytes: number): Prediction =>
  predict(
    'dedup',
    { kind: 'os', present: false, stored: false, dataBytes: bytes, chunkBytes: 65_536, fingerprinted: true },
    rates,
  );
const layer = (stream: string, bytes: number, vms: [string, string][]) => ({
  stream,
  prediction: taking(bytes),
  vms: vms.map(([name, host]) => ({ name, host })),
});

describe('a gang on two hosts that share layers', () => {
  const both: [string, string][] = [
    ['web-1', 'a/h1'],
    ['web-2', 'c/h3'],
  ];
  const bases = [layer('os', 300 * MB, both), layer('we', 200 * MB, both), layer('js', 90 * MB, both)];

  it('splits them by work: the longest first, to whom has the least to do', () => {
    expect(split(bases).map(({ stream, host }) => [stream, host])).toEqual([
      ['os', 'a/h1'],
      ['we', 'c/h3'],
      ['js', 'c/h3'],
    ]);
  });

  it('takes less time than one host that sends all', () => {
    const tops = both.map(([vm, host]) => ({ vm, host, prediction: taking(MB) }));
    const fast = (each: (typeof bases)[number]) => ({
      ...each,
      prediction: { ...each.prediction, stages: { ...each.prediction.stages, down: 1, unpack: 1 } },
    });
    const alone = bases.map((each) => ({ ...fast(each), host: 'a/h1' }));
    const shared = split(bases.map(fast));
    expect(migrationMs(shared, tops)).toBeLessThan(0.7 * migrationMs(alone, tops));
  });

  it('leaves a layer with the only host that has it', () => {
    const own = [layer('os', 300 * MB, both), layer('we', 200 * MB, [['web-1', 'a/h1']])];
    expect(split(own).map(({ host }) => host)).toEqual(['a/h1', 'a/h1']);
  });
});

describe('a VM’s own layer', () => {
  const vm: [string, string] = ['web-1', 'a/h1'];
  const os = layer('os', 300 * MB, [vm]);
  const [fast, slow] = [1, 10 * os.prediction.sourceMs];
  const bases = (readBack: number) => {
    const stages = { ...os.prediction.stages, readBack };
    const milliseconds = os.prediction.sourceMs + readBack;
    return [{ ...os, host: 'a/h1', prediction: { ...os.prediction, stages, milliseconds } }];
  };
  const top = { vm: 'web-1', host: 'a/h1', prediction: taking(30 * MB) };
  const fixed = limits.migration_fixed_ms;

  it('goes right after its base, whatever the destination still does with that', () => {
    const { sourceMs } = os.prediction;
    expect(migrationMs(bases(fast), [top])).toBeCloseTo(fixed + sourceMs + top.prediction.milliseconds, 6);
  });

  it('comes once the destination has its base', () => {
    const { down, unpack, readBack } = top.prediction.stages;
    const after = limits.layer_fixed_ms + Math.max(down, unpack) + readBack;
    const fetched = os.prediction.sourceMs + slow;
    expect(migrationMs(bases(slow), [top])).toBeCloseTo(fixed + fetched + after, 6);
    expect(after).toBeLessThan(top.prediction.milliseconds);
  });

  it('of a running VM goes on in rounds once the first one has come', () => {
    for (const readBack of [fast, slow])
      expect(migrationMs(bases(readBack), [{ ...top, laterMs: 700 }])).toBeCloseTo(
        migrationMs(bases(readBack), [top]) + 700,
        6,
      );
  });
});

describe('the forecast of a gang', () => {
  const vms: [string, string][] = [
    ['web-1', 'a/h1'],
    ['web-2', 'a/h1'],
    ['web-3', 'a/h1'],
  ];
  const bases = [layer('os', 300 * MB, vms), layer('we', 100 * MB, vms.slice(0, 2))];
  const tops = vms.map(([vm, host]) => ({ vm, host, prediction: taking(10 * MB) }));
  const found = forecastOf({ bases, tops, chunkBytes: 65_536 });

  it('counts each layer once; apart, each time that nobody has brought it', () => {
    const sent = (bytes: number) => taking(bytes).wireBytes;
    const own = 3 * sent(10 * MB);
    expect(found.wireBytes).toBeCloseTo(sent(300 * MB) + sent(100 * MB) + own, 3);
    expect(found.oneByOne.wireBytes).toBeCloseTo(found.wireBytes, 3);
    expect(found.eachAlone.wireBytes).toBeCloseTo(3 * sent(300 * MB) + 2 * sent(100 * MB) + own, 3);
  });

  it('saves time against moving them apart', () => {
    expect(found.oneByOne.milliseconds).toBeGreaterThan(found.milliseconds);
    expect(found.eachAlone.milliseconds).toBeGreaterThan(found.oneByOne.milliseconds);
  });

  it('costs the workflow by the VM, however many disks each has', () => {
    const steps = ({ costs }: Pick<typeof found, 'costs'>) =>
      costs.find(({ item }) => item.includes('workflow'))?.item.split(',')[0];
    expect(steps(found)).toMatch(/^\d+ steps/);
    expect(steps(forecastOf({ bases, tops: [...tops, ...tops], chunkBytes: 65_536 }))).toBe(steps(found));
  });

  it('has its price, item by item', () => {
    expect(found.costs.length).toBeGreaterThan(5);
    for (const { item, dollars } of found.costs) expect(dollars, item).toBeGreaterThanOrEqual(0);
    const traffic = found.costs.find(({ item }) => item.includes('traffic'))!;
    expect(traffic.dollars).toBeCloseTo((found.pulledBytes / 1e9) * 0.09, 6);
  });
});
