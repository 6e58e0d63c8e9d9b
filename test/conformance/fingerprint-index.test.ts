import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TableCloud, tableClouds } from './support/clouds.ts';
import { digestOf, fresh } from './support/samples.ts';

describe.each(tableClouds)('FingerprintIndex on $name', ({ start }) => {
  let cloud: TableCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  const hooks = (count: number) => Array.from({ length: count }, (_, i) => digestOf(`hook ${i}`));

  it('finds the rows that exist among more hooks than one request takes, asked twice or not', async () => {
    const namespace = fresh('ns');
    const all = hooks(230);
    await cloud.here.index.add(namespace, all.slice(0, 120), digestOf('pack'));
    const found = await cloud.there.index.lookup(namespace, [...all, ...all]);
    expect(found.size).toBe(120);
    expect(all.filter((hook) => found.get(hook) === digestOf('pack'))).toEqual(all.slice(0, 120));
  });

  it('answers nothing for no hooks', async () => {
    expect((await cloud.here.index.lookup(fresh('ns'), [])).size).toBe(0);
    await cloud.here.index.add(fresh('ns'), [], digestOf('pack'));
  });

  it('leaves rows that exist as they are', async () => {
    const namespace = fresh('ns');
    const [first, second] = hooks(2) as [string, string];
    await cloud.here.index.add(namespace, [first], digestOf('old'));
    await cloud.here.index.add(namespace, [first, second, second], digestOf('new'));
    const found = await cloud.here.index.lookup(namespace, [first, second]);
    expect(found).toEqual(
      new Map([
        [first, digestOf('old')],
        [second, digestOf('new')],
      ]),
    );
  });

  it('keeps namespaces apart', async () => {
    const [one, other] = [fresh('ns'), fresh('ns')];
    await cloud.here.index.add(one, hooks(3), digestOf('pack'));
    expect((await cloud.here.index.lookup(other, hooks(3))).size).toBe(0);
  });

  it('a name that looks like a claim is a namespace like any other', async () => {
    const batch = digestOf('batch');
    await cloud.here.index.claim(
      'claim',
      batch,
      { owner: 'a', untilMs: cloud.clock.nowMs() + 10 },
      cloud.clock.nowMs(),
    );
    expect((await cloud.here.index.lookup('claim', [batch])).size).toBe(0);
  });

  it('gives a batch to one of those who claim it at the same time, and tells the others whose it is', async () => {
    for (let round = 0; round < 5; round += 1) {
      const [namespace, batch] = [fresh('ns'), digestOf('batch')];
      const nowMs = cloud.clock.nowMs();
      const claims = await Promise.all(
        Array.from({ length: 6 }, (_, i) =>
          (i % 2 === 0 ? cloud.here : cloud.there).index.claim(
            namespace,
            batch,
            { owner: `agent-${i}`, untilMs: nowMs + 1000 + i },
            nowMs,
          ),
        ),
      );
      const winner = claims[0]!;
      expect(winner.untilMs).toBe(nowMs + 1000 + Number(winner.owner.slice('agent-'.length)));
      for (const claim of claims) expect(claim).toEqual(winner);
    }
  });

  it('lets the owner claim again and longer, others only once the claim has ended', async () => {
    const [namespace, batch] = [fresh('ns'), digestOf('batch')];
    const { clock, here, there } = cloud;
    const claim = (owner: string, ms: number) =>
      here.index.claim(namespace, batch, { owner, untilMs: clock.nowMs() + ms }, clock.nowMs());
    await claim('a', 100);
    const renewed = await claim('a', 500);
    expect(renewed).toEqual({ owner: 'a', untilMs: clock.nowMs() + 500 });
    await clock.advance(499);
    expect((await claim('b', 100)).owner).toBe('a');
    await clock.advance(1);
    expect((await claim('b', 100)).owner).toBe('b');
    await there.index.release(namespace, batch, 'a');
    expect((await claim('a', 100)).owner, 'b’s claim is not a’s to end').toBe('b');
  });

  it('gives every row once, part by part, and nothing else', async () => {
    const [namespace, other] = [fresh('ns'), fresh('ns')];
    const all = hooks(300);
    await cloud.here.index.add(namespace, all.slice(0, 200), digestOf('one'));
    await cloud.here.index.add(namespace, all.slice(200), digestOf('two'));
    await cloud.here.index.add(other, all, digestOf('other'));
    await cloud.here.index.add('claim', all.slice(0, 3), digestOf('three'));
    await cloud.here.index.claim(namespace, digestOf('batch'), { owner: 'a', untilMs: 10 }, 0);
    await cloud.here.index.condemn(namespace, digestOf('bad'));
    for (const parts of [1, 7, 64]) {
      const found = new Map<string, string>();
      for (let part = 0; part < parts; part++) {
        const rows = await cloud.there.index.rows(namespace, part, parts);
        for (const [hook, pack] of rows) {
          expect(found.has(hook)).toBe(false);
          found.set(hook, pack);
        }
        if (parts === 7) expect(rows.size, `part ${part}`).toBeLessThan(100);
      }
      expect(found.size).toBe(300);
      expect(all.every((hook, at) => found.get(hook) === digestOf(at < 200 ? 'one' : 'two'))).toBe(true);
    }
    expect((await cloud.here.index.rows('claim', 0, 1)).size).toBe(3);
  });

  it('removes the rows of one pack, and of no other', async () => {
    const namespace = fresh('ns');
    const all = hooks(130);
    await cloud.here.index.add(namespace, all.slice(0, 60), digestOf('bad'));
    await cloud.here.index.add(namespace, all.slice(60), digestOf('good'));
    expect(await cloud.there.index.remove(namespace, [...all, digestOf('nowhere')], digestOf('bad'))).toBe(60);
    expect(await cloud.there.index.remove(namespace, all, digestOf('bad'))).toBe(0);
    const left = await cloud.here.index.lookup(namespace, all);
    expect([...left.keys()].sort()).toEqual(all.slice(60).sort());
    expect(await cloud.here.index.add(namespace, [...all, ...all], digestOf('new'))).toBe(60);
    expect((await cloud.here.index.lookup(namespace, all)).get(all[0]!)).toBe(digestOf('new'));
  });

  it('knows which packs are condemned, until they are acquitted', async () => {
    const [namespace, bad, worse] = [fresh('ns'), digestOf('bad'), digestOf('worse')];
    await cloud.here.index.condemn(namespace, bad);
    await cloud.there.index.condemn(namespace, bad);
    await cloud.here.index.condemn(namespace, worse);
    const asked = [digestOf('good'), bad, worse, bad];
    expect(await cloud.there.index.condemned(namespace, asked)).toEqual(new Set([bad, worse]));
    expect((await cloud.there.index.condemned(fresh('ns'), asked)).size).toBe(0);
    expect((await cloud.there.index.condemned(namespace, [])).size).toBe(0);
    await cloud.there.index.acquit(namespace, bad);
    await cloud.there.index.acquit(namespace, bad);
    expect(await cloud.here.index.condemned(namespace, asked)).toEqual(new Set([worse]));
  });

  it('a released batch is free, and may be released again', async () => {
    const [namespace, batch] = [fresh('ns'), digestOf('batch')];
    const nowMs = cloud.clock.nowMs();
    await cloud.here.index.claim(namespace, batch, { owner: 'a', untilMs: nowMs + 100 }, nowMs);
    await cloud.here.index.release(namespace, batch, 'a');
    await cloud.here.index.release(namespace, batch, 'a');
    const next = await cloud.there.index.claim(namespace, batch, { owner: 'b', untilMs: nowMs + 100 }, nowMs);
    expect(next.owner).toBe('b');
  });
});
