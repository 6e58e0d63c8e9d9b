import { describe, expect, it } from 'vitest';
import { diskLimits } from '../../agent/disk/limits.ts';
import { limits } from '../../core/limits.ts';
import { limits as eventLimits } from '../../localstack/events/limits.ts';
import { IDENTITY_LIMITS } from '../../localstack/identity/limits.ts';
import { limits as cloudLimits } from '../../localstack/limits.ts';
import { S3_LIMITS } from '../../localstack/s3/limits.ts';
import { limits as stateLimits } from '../../localstack/states/limits.ts';
import { sources, usersOf } from './sources.ts';

/** A bound that nothing keeps promises what nobody holds. */
const tables = [
  {
    of: 'the product',
    bounds: limits,
    file: 'core/limits.ts',
    users: ['core', 'adapters', 'agent', 'functions', 'infra', 'bin'],
  },
  { of: 'disks', bounds: diskLimits, file: 'agent/disk/limits.ts', users: ['agent/disk'] },
  { of: 'the embedded cloud', bounds: cloudLimits, file: 'localstack/limits.ts', users: ['localstack'] },
  { of: 'its bus', bounds: eventLimits, file: 'localstack/events/limits.ts', users: ['localstack'] },
  {
    of: 'its identity',
    bounds: IDENTITY_LIMITS,
    file: 'localstack/identity/limits.ts',
    users: ['localstack/identity'],
  },
  { of: 'its objects', bounds: S3_LIMITS, file: 'localstack/s3/limits.ts', users: ['localstack/s3'] },
  { of: 'its workflow', bounds: stateLimits, file: 'localstack/states/limits.ts', users: ['localstack/states'] },
] as const;

/** Bounds that no code can keep by itself, and what holds the product to them. */
const JUDGED: Readonly<Record<string, string>> = {
  history_events_max: 'test/infra/workflow.test.ts counts the events of the longest execution',
};

describe.each(tables)('the bounds of $of', ({ bounds, users, file }) => {
  const files = sources(...users);
  // What relates bounds keeps none.
  files.delete('core/limit-relations.ts');
  expect(files.delete(file)).toBe(true);

  it.each(Object.keys(bounds).filter((name) => !(name in JUDGED)))('%s is used', (name) => {
    expect(usersOf(files, name), 'nothing keeps it: use it or remove it').not.toEqual([]);
  });
});

describe('a bound of the product', () => {
  const tests = sources('test');
  // These set bounds and judge none.
  for (const file of ['test/limits/named.test.ts', 'test/simulation/world/small-limits.ts']) tests.delete(file);

  it.each(Object.keys(limits))('%s is named by a test that tries it', (name) => {
    expect(usersOf(tests, name), 'test what happens at it, and just beyond').not.toEqual([]);
  });
});
