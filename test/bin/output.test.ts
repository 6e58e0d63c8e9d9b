import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flowOf, sumOf } from '../../bin/output/flow.ts';
import { amountsOf, Pace, shareOf } from '../../bin/output/pace.ts';
import { report } from '../../bin/output/report.ts';
import { table } from '../../bin/output/table.ts';
import { ago, moment } from '../../bin/output/times.ts';
import { visible, visibleLines } from '../../bin/output/visible.ts';
import { gang, layer, migration, NOT_MOVED, SENT_NOTHING, vm } from './samples.ts';

const longest = (text: string): number => Math.max(...text.split('\n').map((line) => [...line].length));

describe('the flow of a layer', () => {
  const amount = fc.nat({ max: 2 ** 40 });
  const layers = fc
    .record({
      treatment: fc.constantFrom('skip', 'dedup', 'direct'),
      shared: fc.boolean(),
      stored: fc.boolean(),
      logical_bytes: amount,
      wire_bytes: amount,
      deduped_bytes: amount,
      handled_bytes: amount,
      done_bytes: amount,
    })
    .map((change) => layer(change as Parameters<typeof layer>[0]));

  it('adds up to what the layer holds, whatever was counted', () => {
    fc.assert(
      fc.property(layers, fc.boolean(), (each, moved) => {
        const { wire, ...parts } = flowOf(each, moved);
        expect(Object.values(parts).every((part) => part >= 0)).toBe(true);
        expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBe(each.logical_bytes);
        expect(wire).toBeLessThanOrEqual(each.wire_bytes);
      }),
    );
  });

  it('knows a layer that the store had, which nobody sends', () => {
    const stored = layer({ stored: true, ...SENT_NOTHING });
    expect(flowOf(stored, true)).toMatchObject({ known: 100e6, sent: 0, open: 0 });
    expect(flowOf({ ...stored, done_bytes: 30e6 }, false)).toMatchObject({ known: 30e6, open: 70e6 });
    expect(sumOf([flowOf(stored, true), flowOf(layer(), true)])).toMatchObject({ known: 140e6, sent: 60e6 });
  });
});

describe('progress', () => {
  const seeding = (change: Parameters<typeof layer>[0]) =>
    amountsOf(
      migration({ state: 'seeding', vms: [vm({ layers: [layer({ ...NOT_MOVED, total_bytes: 100e6, ...change })] })] }),
    );

  it('moves while a layer is only being sent', () => {
    expect(shareOf(seeding({}))).toBe(0);
    expect(shareOf(seeding({ handled_bytes: 50e6 }))).toBe(0.25);
    expect(shareOf(seeding({ handled_bytes: 100e6, done_bytes: 50e6 }))).toBe(0.75);
    expect(shareOf(seeding({ stored: true }))).toBe(0.5);
    expect(shareOf(amountsOf(migration({ vms: [] })))).toBe(0);
  });

  it('tells rate and time left from what was seen, once it has seen enough', () => {
    const pace = new Pace();
    expect(pace.see(seeding({}), 0)).toEqual({});
    expect(pace.see(seeding({ handled_bytes: 10e6 }), 1_000)).toEqual({});
    expect(pace.see(seeding({ handled_bytes: 40e6 }), 4_000)).toEqual({ bytesPerSecond: 5e6, secondsLeft: 16 });
  });

  it('forgets what is long ago, and promises nothing while all stands still', () => {
    const pace = new Pace();
    pace.see(seeding({}), 0);
    pace.see(seeding({ handled_bytes: 80e6 }), 10_000);
    pace.see(seeding({ handled_bytes: 80e6 }), 20_000);
    expect(pace.see(seeding({ handled_bytes: 80e6 }), 40_000)).toEqual({});
    expect(pace.see(seeding({ handled_bytes: 90e6 }), 50_000).bytesPerSecond).toBeLessThan(1e6);
  });

  it('begins anew when more is planned than was known', () => {
    const pace = new Pace();
    pace.see(seeding({ handled_bytes: 50e6 }), 0);
    expect(pace.see(seeding({ handled_bytes: 50e6, total_bytes: 1_000e6 }), 9_000)).toEqual({});
  });
});

describe('tables', () => {
  const columns = [{ head: 'id' }, { head: 'names', wraps: 10 }, { head: 'free', align: 'right' as const }];
  const rows = [['m1', Array.from({ length: 16 }, (_, at) => `web-${at}`).join(' '), '1 GB']];

  it('keep to the terminal’s width and lose nothing', () => {
    for (const width of [30, 40, 80, 500]) {
      const text = table(columns, rows, width);
      expect(longest(text)).toBeLessThanOrEqual(width);
      for (let at = 0; at < 16; at++) expect(text).toMatch(new RegExp(`web-${at}\\b`));
    }
  });

  it('break words that are too long, and stay as narrow as they can', () => {
    const text = table(columns, [['m1', 'x'.repeat(64), '–']], 30);
    expect(longest(text)).toBeLessThanOrEqual(30);
    expect(text.match(/x/g)).toHaveLength(64);
    expect(() => table(columns, rows, 1)).not.toThrow();
  });

  it('give way to plain lines where a report would not fit', () => {
    const wide = report(gang(), 200);
    expect(wide).toContain('│');
    expect(wide).toContain('25 MB known, 23 MB compressed away');
    const narrow = report(gang(), 60);
    expect(narrow).not.toContain('│');
    expect(longest(narrow)).toBeLessThanOrEqual(60);
    for (const part of ['web-1 equal', 'skip: 100 MB, 0 B on the wire', '60 MB sent once, with another VM'])
      expect(narrow).toContain(part);
    expect(longest(report(gang(), 110))).toBeLessThanOrEqual(110);
  });

  it('don’t call compressed away what the store had, or what did not move', () => {
    const stored = vm({ layers: [layer({ stored: true, ...SENT_NOTHING })] });
    expect(report({ vms: [stored] }, 200)).toContain('100 MB the store has it');
    const failed = vm({ state: 'rolled-back', layers: [layer({ ...NOT_MOVED })] });
    expect(report({ vms: [failed] }, 200)).toContain('100 MB not moved');
    expect(report({ vms: [failed] }, 200)).not.toContain('compressed away');
  });
});

describe('text of others', () => {
  it('can’t steer a terminal', () => {
    expect(visible('a\u001b[2Jb\r\n\u202ec\u0007')).toBe('a\\u{1b}[2Jb\\u{d}\\u{a}\\u{202e}c\\u{7}');
    expect(visible('Zürich 東京 ✓ e\u0301')).toBe('Zürich 東京 ✓ e\u0301');
    expect(visibleLines('two\nlines\u001b')).toBe('two\nlines\\u{1b}');
    const hostile = vm({ layers: [layer({ name: '\u001b]0;owned\u0007.qcow2' })] });
    for (const width of [60, 200]) expect(report({ vms: [hostile] }, width)).not.toContain('\u001b]');
  });
});

describe('times', () => {
  it('are the reader’s, and short', () => {
    const before = process.env.TZ;
    try {
      process.env.TZ = 'Asia/Kathmandu';
      expect(moment(Date.UTC(2026, 2, 1, 13, 5, 9))).toBe('2026-03-01 18:50:09');
      process.env.TZ = 'UTC';
      expect(moment(Date.UTC(2026, 2, 1, 13, 5, 9))).toBe('2026-03-01 13:05:09');
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
    expect(ago(1_000, 13_400)).toBe('12s ago');
    expect(ago(5_000, 1_000)).toBe('just now');
  });
});
