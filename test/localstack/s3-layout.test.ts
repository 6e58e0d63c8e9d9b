import fc from 'fast-check';
import { expect, it } from 'vitest';
import { entryOf, fromByteString, OBJECT, placeOf, toByteString } from '../../localstack/s3/layout.ts';
import { S3_LIMITS } from '../../localstack/s3/limits.ts';

const MAX_FILE_NAME = 255;
const unit = fc.oneof(fc.constantFrom('/', '.', '%', '..', 'a.o', '.d', 'x'.repeat(79), 'ü'.repeat(40)), fc.string());
const keys = fc.array(unit, { minLength: 1, maxLength: 12 }).map((parts) => parts.join('').toWellFormed());

it('gives every key names that a file system takes, and finds the key in them again', () => {
  const property = fc.property(keys, (key) => {
    const { folders, base, name } = placeOf(toByteString(key));
    const names = [...folders, name + OBJECT];
    for (const one of names) {
      expect(one).toMatch(/^[A-Za-z0-9._%-]*\.[ocd]$/);
      expect(one.length).toBeLessThanOrEqual(MAX_FILE_NAME);
      expect(['.', '..']).not.toContain(one);
    }
    const texts = names.map((one) => entryOf(one).text);
    expect(fromByteString(texts.join(''))).toBe(key);
    expect(texts.slice(0, -1).join('')).toBe(base);
  });
  fc.assert(property, { numRuns: 2_000 });
});

it('never gives two keys one place, nor one a folder where the other has a file', () => {
  const property = fc.property(keys, keys, (a, b) => {
    fc.pre(a !== b);
    const [one, two] = [a, b].map((key) => placeOf(toByteString(key)));
    expect([...(one?.folders ?? []), `${one?.name}${OBJECT}`]).not.toEqual([
      ...(two?.folders ?? []),
      `${two?.name}${OBJECT}`,
    ]);
    expect([...(one?.folders ?? []), ...(two?.folders ?? [])].filter((name) => name.endsWith(OBJECT))).toEqual([]);
  });
  fc.assert(property, { numRuns: 500 });
});

it('stays below the longest name when every byte must be escaped', () => {
  const suffix = 2;
  expect(S3_LIMITS.maxNameBytes * '%XX'.length + suffix).toBeLessThanOrEqual(MAX_FILE_NAME);
});
