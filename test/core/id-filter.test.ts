import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { IdFilter } from '../../core/format/id-filter.ts';
import { limits } from '../../core/limits.ts';

const idOf = (text: string) => createHash('sha256').update(text).digest('hex');
const salt = (text: string) => createHash('sha256').update(text).digest().subarray(0, 8);

const popcount = (byte: number) => byte.toString(2).replaceAll('0', '').length;

describe('an id filter', () => {
  it('forgets nothing, and keeps kinds apart', () => {
    const filter = IdFilter.create(salt('a'));
    const ids = Array.from({ length: 20_000 }, (_, at) => idOf(`id ${at}`));
    for (const id of ids) filter.add(1, id);
    const read = IdFilter.decode(filter.encode());
    for (const id of ids) expect(read.has(1, id)).toBe(true);
    expect(ids.filter((id) => read.has(2, id)).length).toBeLessThan(5);
  });

  it('errs about one id in a thousand at two million, and about others with another salt', { timeout: 60_000 }, () => {
    const filters = [IdFilter.create(salt('a')), IdFilter.create(salt('b'))] as const;
    let word = Buffer.alloc(32);
    // Ids are as good as random: these are cheaper to make.
    const next = () => {
      word = createHash('sha1').update(word).digest();
      return word.toString('hex');
    };
    for (let at = 0; at < 1_000_000; at++) {
      const id = next();
      for (const filter of filters) filter.add(0, id);
    }
    const others = Array.from({ length: 200_000 }, next);
    expect(others.filter((id) => filters[0].has(0, id)).length).toBeLessThan(20);
    for (let at = 0; at < 1_000_000; at++) {
      const id = next();
      for (const filter of filters) filter.add(0, id);
    }
    const [wrong, also] = filters.map((filter) => others.filter((id) => filter.has(0, id)));
    expect(wrong!.length / others.length).toBeLessThan(1 / 1000);
    expect(wrong!.filter((id) => also!.includes(id)).length / others.length).toBeLessThan(1 / 10_000);
  });

  it('is written as ever', () => {
    const filter = IdFilter.create(salt('a'));
    filter.add(0, idOf('x'));
    const bytes = filter.encode();
    expect(bytes.reduce((sum, byte, at) => sum + (at >= 16 && at < bytes.length - 16 ? popcount(byte) : 0), 0)).toBe(
      limits.collection_filter_hashes,
    );
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '20d42de5b1f735881ec487c4f1c7be33d9d1b6230e14829312f6b8f5f45163ac',
    );
  });

  it('is refused if a bit of it was lost', () => {
    const bytes = IdFilter.create(salt('a')).encode();
    expect(bytes.length).toBe(16 + limits.collection_filter_bytes + 16);
    for (const at of [5, 9, 4000, bytes.length - 1]) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      expect(() => IdFilter.decode(damaged), String(at)).toThrow(/id filter/);
    }
    expect(() => IdFilter.decode(bytes.subarray(0, -1))).toThrow(/cut short/);
    expect(() => IdFilter.decode(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(/trailing/);
  });
});
