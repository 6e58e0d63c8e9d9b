import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ObjectCloud, objectClouds } from './support/objects.ts';
import { fresh } from './support/samples.ts';

const WHOLE = { bytesMax: 64 * 1024 * 1024 };

describe.each(objectClouds)('ObjectJanitor on $name', ({ start }) => {
  let cloud: ObjectCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  async function stored(bytes: Uint8Array): Promise<string> {
    const key = `ns/default/packs/${fresh('object')}`;
    expect(await cloud.here.put(key, [bytes])).toBe('written');
    return key;
  }

  it('gives back many parts as one object, of any sizes', async () => {
    const sizes = [36, 0, 3_000_000, 1, 70_000, 8191, 0, 2_000_000, 12];
    const parts = sizes.map((size) => randomBytes(size));
    const key = `ns/default/packs/${fresh('object')}`;
    expect(await cloud.here.put(key, parts)).toBe('written');
    expect(Buffer.compare(await cloud.there.get(key, WHOLE), Buffer.concat(parts))).toBe(0);
  });

  it('keeps an empty object', async () => {
    const key = `ns/default/${fresh('empty')}`;
    expect(await cloud.here.put(key, [])).toBe('written');
    expect((await cloud.there.get(key, WHOLE)).length).toBe(0);
    expect(await cloud.there.tail(key, 10)).toEqual({ bytes: Buffer.alloc(0), size: 0 });
  });

  it('never changes an object that is there', async () => {
    const key = await stored(Buffer.from('first'));
    expect(await cloud.there.put(key, [Buffer.from('second')])).toBe('present');
    expect(Buffer.from(await cloud.here.get(key, WHOLE)).toString()).toBe('first');
  });

  it('lets one of those who write a key at the same time', async () => {
    for (let round = 0; round < 5; round += 1) {
      const key = `ns/default/${fresh('raced')}`;
      const bodies = Array.from({ length: 6 }, () => randomBytes(100_000));
      const outcomes = await Promise.all(
        bodies.map((body, i) => (i % 2 === 0 ? cloud.here : cloud.there).put(key, [body])),
      );
      const winners = bodies.filter((_, i) => outcomes[i] === 'written');
      expect(winners).toHaveLength(1);
      expect(Buffer.compare(await cloud.here.get(key, WHOLE), winners[0]!)).toBe(0);
    }
  });

  it('gives a whole object only if it is no larger than the reader takes', async () => {
    const bytes = randomBytes(1000);
    const key = await stored(bytes);
    expect(Buffer.compare(await cloud.there.get(key, { bytesMax: 1000 }), bytes)).toBe(0);
    const refusal = { code: 'OBJECT_TOO_LARGE', data: { key, size: 1000, bytesMax: 999 } };
    await expect(cloud.there.get(key, { bytesMax: 999 })).rejects.toMatchObject(refusal);
    const large = await stored(Buffer.alloc(40_000_000, 1));
    const before = process.memoryUsage().arrayBuffers;
    await expect(cloud.there.get(large, { bytesMax: 100 })).rejects.toMatchObject({ code: 'OBJECT_TOO_LARGE' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    expect(Buffer.compare(await cloud.there.get(key, WHOLE), bytes), 'the connection is usable').toBe(0);
  });

  it('gives exactly the range that was asked for, or refuses', async () => {
    const bytes = randomBytes(1000);
    const key = await stored(bytes);
    for (const [offset, length] of [
      [0, 1],
      [999, 1],
      [0, 1000],
      [100, 300],
    ] as const) {
      const range = await cloud.there.get(key, { offset, length });
      expect(Buffer.compare(range, bytes.subarray(offset, offset + length)), `${offset}+${length}`).toBe(0);
    }
    for (const [offset, length] of [
      [999, 2],
      [1000, 1],
      [5000, 10],
      [0, 1001],
      [3, 0],
    ] as const) {
      const refused = cloud.there.get(key, { offset, length });
      await expect(refused, `${offset}+${length}`).rejects.toMatchObject({ code: 'OBJECT_RANGE' });
    }
  });

  it('gives the end of an object and its size', async () => {
    const bytes = randomBytes(1000);
    const key = await stored(bytes);
    expect(await cloud.here.tail(key, 10)).toEqual({ bytes: bytes.subarray(990), size: 1000 });
    expect(await cloud.here.tail(key, 1000)).toEqual({ bytes, size: 1000 });
    expect(await cloud.here.tail(key, 5000)).toEqual({ bytes, size: 1000 });
  });

  it('says which object is missing', async () => {
    const missing = { code: 'OBJECT_MISSING', data: { key: 'ns/default/none' } };
    await expect(cloud.here.get('ns/default/none', WHOLE)).rejects.toMatchObject(missing);
    await expect(cloud.here.get('ns/default/none', { offset: 0, length: 1 })).rejects.toMatchObject(missing);
    await expect(cloud.here.tail('ns/default/none', 1)).rejects.toMatchObject(missing);
  });

  it('lists in order, page by page, below a prefix only', async () => {
    const prefix = `ns/${fresh('list')}/`;
    const keys = ['b', 'a/2', 'a/10', 'c', 'a'].map((name) => prefix + name);
    for (const key of [...keys, `${prefix.slice(0, -1)}-other/x`]) await cloud.here.put(key, [Buffer.from('x')]);
    const sorted = [...keys].sort();
    expect(await cloud.there.list(prefix, 10)).toEqual(sorted);
    expect(await cloud.there.list(prefix, 2)).toEqual(sorted.slice(0, 2));
    expect(await cloud.there.list(prefix, 2, sorted[1])).toEqual(sorted.slice(2, 4));
    expect(await cloud.there.list(prefix, 2, sorted[4])).toEqual([]);
    expect(await cloud.there.list(`${prefix}a/`, 10)).toEqual(sorted.slice(1, 3));
    await cloud.here.put(`${prefix}d`, [Buffer.from('more')]);
    const sized = [...sorted.slice(3).map((key) => ({ key, bytes: 1 })), { key: `${prefix}d`, bytes: 4 }];
    expect(await cloud.there.sizes(prefix, 9, sorted[2])).toEqual(sized);
    expect(await cloud.there.sizes(prefix, 1, sorted[2])).toEqual(sized.slice(0, 1));
  });

  it('removes what is there, and minds nothing else', async () => {
    const [gone, kept] = [await stored(randomBytes(10)), await stored(randomBytes(10))];
    await cloud.here.remove([gone, 'ns/default/none']);
    await cloud.here.remove([gone]);
    await cloud.here.remove([]);
    await expect(cloud.there.get(gone, WHOLE)).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    expect((await cloud.there.get(kept, WHOLE)).length).toBe(10);
    expect(await cloud.there.put(gone, [Buffer.from('new')])).toBe('written');
  });
});
