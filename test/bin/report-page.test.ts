import { describe, expect, it } from 'vitest';
import { REPORT_MARK, reportPage } from '../../bin/report/page.ts';
import type { MigrationView, ReceiptsView } from '../../core/api/views.ts';
import { contentDigest } from '../../core/receipt.ts';
import { gang, layer, migration, NOT_MOVED, receiptsOf, vm } from './samples.ts';

const page = (of: MigrationView, receipts: ReceiptsView = receiptsOf(of)): string =>
  reportPage({ migration: of, receipts, version: '9.9.9', atMs: of.updated_ms });

/** The widths of a page's rectangles of a class, in percent of their bars. */
function widths(text: string, name: string): number[] {
  const rects = [...text.matchAll(/<rect class="(\w+)" x="[\d.]+%?" y="\d+" width="([\d.]+)%" height="(?:18|8)"/g)];
  return rects.filter((match) => match[1] === name).map((match) => Number(match[2]));
}

const textOf = (markup: string): string => markup.replace(/<style>.*<\/style>/s, '').replace(/<[^>]*>/g, '');

describe('the page of a migration', () => {
  it('begins as a report does and asks nobody for anything', () => {
    const text = page(gang());
    expect(text.startsWith(REPORT_MARK)).toBe(true);
    expect(text).toContain("default-src 'none'");
    expect(text).not.toMatch(/<script|<link|<img|\bsrc=|\bhref=|@import|https?:|url\((?!#)/i);
  });

  it('has no element that is not closed', () => {
    const open: string[] = [];
    const markup = page(gang()).replace(/<style>.*<\/style>/s, '');
    for (const [, slash, name, self] of markup.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/gi)) {
      if (self || ['meta', 'br'].includes(name!)) continue;
      if (!slash) open.push(name!);
      else expect(open.pop(), `</${name}>`).toBe(name);
    }
    expect(open).toEqual([]);
  });

  it('draws each layer to one scale, by what became of its bytes, and shared layers once', () => {
    const text = page(gang());
    // All of it first, then the OS layer (100 MB, skipped), the environment (25 known, 35 sent) and two disks of 30 MB.
    expect(widths(text, 'skipped')).toEqual([52.632, 100]);
    expect(widths(text, 'elsewhere')).toEqual([15.789]);
    expect(widths(text, 'known')).toEqual([6.579, 25]);
    expect(widths(text, 'sent')).toEqual([25, 35, 30, 30]);
    expect(widths(text, 'wire')).toEqual([14.737, 12, 22, 22]);
    expect(text.match(/os\.qcow2<\/bdi>: shared, above/g)).toHaveLength(2);
    expect(text.match(/of 2 VMs: web-1, web-2/g)).toHaveLength(2);
  });

  it('puts the parts of a bar side by side', () => {
    const svg = /<svg role="img" .*?<\/svg>/s.exec(page(gang()))![0];
    const rects = [...svg.matchAll(/class="(skipped|elsewhere|known|sent)" x="([\d.]+)%" y="1" width="([\d.]+)%"/g)];
    expect(rects.map((rect) => rect[1])).toEqual(['skipped', 'elsewhere', 'known', 'sent']);
    rects.reduce((end, rect) => {
      expect(Number(rect[2])).toBeCloseTo(end, 2);
      return end + Number(rect[3]);
    }, 0);
  });

  it('says in words what the bars show, and what was saved', () => {
    const text = textOf(page(gang()));
    expect(text).toContain('25 MB taken from the store, 35 MB sent as 12 MB on the wire.');
    expect(text).toContain('Why: the destination has this layer.');
    expect(text).toMatch(/324 MB, 85 %\s*saved against sending all/);
  });

  it('shows both receipts’ digests and that they agree', () => {
    const of = gang();
    const receipts = receiptsOf(of);
    const text = page(of, receipts);
    expect(text.match(/both sides agree/g)).toHaveLength(2);
    for (const { source } of receipts.vms) expect(text.split(contentDigest(source!))).toHaveLength(3);
  });

  it('shows that and where they differ', () => {
    const of = migration();
    const receipts = receiptsOf(of);
    receipts.vms[0]!.agree = false;
    receipts.vms[0]!.destination!.layers[0]!.layerId = 'f'.repeat(64);
    const text = textOf(page(of, receipts));
    expect(text).toContain('the sides differ');
    expect(text).not.toContain('both sides agree');
    expect(text).toContain('f'.repeat(64));
  });

  it('tells why a migration failed, and what did not move', () => {
    const part = layer({ handled_bytes: 60e6, done_bytes: 0, deduped_bytes: 20e6 });
    const cause = { code: 'ECONNREFUSED', message: 'no answer' };
    const error = { code: 'OBJECT_FAILED', message: 'the store is away', hint: 'look at it', cause };
    const of = migration({ state: 'failed', vms: [vm({ state: 'rolled-back', layers: [part], error })] });
    const text = textOf(page(of, { migration: of.id, vms: [{ vm: 'web-1', agree: false }] }));
    for (const part of ['the store is away', 'OBJECT_FAILED', 'look at it', 'no answer', 'rolled-back', 'no receipt'])
      expect(text).toContain(part);
    expect(text).toContain('20 MB taken from the store, 40 MB sent as 20 MB on the wire, 40 MB not moved.');
    expect(text).not.toContain('saved against');
  });

  it('is right about one that still runs, has no layers yet, or was resumed', () => {
    const running = migration({ state: 'moving', run: 2, vms: [vm({ state: 'moving', layers: [] })] });
    delete running.ended_ms;
    const text = textOf(page(running, { migration: running.id, vms: [] }));
    for (const part of ['still running', 'as of 2026-03-01 13:05:09 UTC', 'not known', 'Run 2'])
      expect(text).toContain(part);
    expect(textOf(page(migration({ vms: [], state: 'failed' })))).toContain('failed');
  });

  it('takes every name for text, whatever it holds', () => {
    const hostile = [
      '<script>alert(1)</script>',
      '"><svg onload=alert(1)>',
      "' onmouseover='x",
      '&lt;b&gt;',
      '\u202egnp.exe',
      'a\nb\u0000\u001b[31m',
      '\ud800',
    ];
    const layers = hostile.map((name, at) =>
      layer({ name, reason: name, stream: String(at).repeat(64), ...NOT_MOVED }),
    );
    const error = { code: '<i>', message: hostile.join(' '), hint: '<u>' };
    const of = migration({ vms: [vm({ layers, error })], vm_names: hostile, error });
    const text = page(of);
    expect(text).not.toMatch(/<script|<i>|<u>|<svg onload/);
    for (const hidden of ['\u0000', '\u001b', '\u202e', '\ud800']) expect(text.includes(hidden)).toBe(false);
    expect(text).not.toMatch(/<[a-z]+[^>]*\son[a-z]+=/);
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(text).toContain('&amp;lt;b&amp;gt;');
    expect(text).toContain('\\u{202e}gnp.exe');
  });

  it('is made for 16 VMs as for one', () => {
    const vms = Array.from({ length: 16 }, (_, at) => vm({ name: `vm-${at}`, layers: [layer({ shared: at > 0 })] }));
    const text = textOf(page(migration({ vms })));
    expect(text).toContain('16 VMs to b/h2');
    expect(text).toContain('of 16 VMs');
  });
});
