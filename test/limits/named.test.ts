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
    object: 'limits',
    users: ['core', 'adapters', 'agent', 'functions', 'infra', 'bin'],
    from: 'core/limits.ts',
  },
  { of: 'disks', bounds: diskLimits, object: 'diskLimits', users: ['agent/disk'], from: 'agent/disk/limits.ts' },
  {
    of: 'the embedded cloud',
    bounds: cloudLimits,
    object: 'limits',
    users: ['localstack/api', 'localstack/assembly', 'localstack/cloud', 'localstack/dynamodb', 'localstack/lambda'],
    from: '',
  },
  { of: 'its bus', bounds: eventLimits, object: 'limits', users: ['localstack/events'], from: '' },
  { of: 'its identity', bounds: IDENTITY_LIMITS, object: 'IDENTITY_LIMITS', users: ['localstack'], from: '' },
  { of: 'its objects', bounds: S3_LIMITS, object: 'S3_LIMITS', users: ['localstack/s3'], from: '' },
  { of: 'its workflow', bounds: stateLimits, object: 'limits', users: ['localstack/states'], from: '' },
] as const;

/** Bounds that no code can keep by itself, and what holds the product to them. */
const JUDGED: Readonly<Record<string, string>> = {
  history_events_max: 'test/infra/workflow.test.ts counts the events of the longest execution',
};

describe.each(tables)('the bounds of $of', ({ bounds, object, users, from }) => {
  const files = sources(...users);
  files.delete(from);

  it.each(Object.keys(bounds))('%s is used', (name) => {
    const used = usersOf(files, object, name).length > 0 || (from === 'core/limits.ts' && name in JUDGED);
    expect(used, 'nothing keeps it: use it or remove it').toBe(true);
  });
});

describe('a bound of the product', () => {
  const tests = sources('test');
  // These set bounds and judge none.
  for (const file of ['test/limits/named.test.ts', 'test/simulation/world/small-limits.ts']) tests.delete(file);

  it.each(Object.keys(limits))('%s is named by a test that tries it', (name) => {
    expect(usersOf(tests, 'limits', name), 'test what happens at it, and just beyond').not.toEqual([]);
  });
});
