import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOf } from '../../bin/connection.ts';
import { hashesOf } from '../kills/hashes.ts';
import { untilNothing } from '../kills/judge.ts';
import { itemsOf, remainsOf } from '../kills/remains.ts';
import { lastLine, Trip } from '../kills/trip.ts';

/** A migration that the user aborts, at moments of all its phases: both sides are as they were, or it has committed. */
let trip: Trip;
let calls = 0;

beforeAll(async () => {
  trip = await Trip.prepare({ os: 2, we: 1, top: 2 });
  await trip.startAgents();
});
afterAll(() => trip.close());

/** Migrates, and aborts at the first request like that, which is held until the abort is answered, or only sent. */
async function abortAt(moment: RegExp, until: 'answered' | 'sent') {
  const { front } = trip.world;
  const [seen, sent, answered] = [1, 2, 3].map(() => Promise.withResolvers<'pass'>()) as [Gate, Gate, Gate];
  front.judge = ({ line }) => {
    if (/\/abort$/.test(line)) sent.resolve('pass');
    if (!moment.test(line)) return 'pass';
    seen.resolve('pass');
    return (until === 'sent' ? sent : answered).promise;
  };
  const call = trip.migrate(`aborted-trip-${++calls}`);
  await seen.promise;
  const { id } = (await trip.migration())!;
  if (until === 'answered') await clientOf(trip.world.operator).call('abortMigration', { params: { migration: id } });
  answered.resolve('pass');
  const aborted = await trip.world.call('abort', id).ended;
  const migrated = await call.ended;
  front.judge = () => 'pass';
  return { aborted, migrated };
}

type Gate = PromiseWithResolvers<'pass'>;

async function traces(): Promise<string[]> {
  const names = await readdir(trip.world.imagesOf('b'));
  const there = names.filter((name) => name !== '.layermover').map((name) => `${name} at the destination`);
  // A claim that nobody took over ends by itself.
  return [...there, ...(await remainsOf(trip.world)).filter((each) => !each.includes('claim#'))];
}

async function expectAsBefore(): Promise<void> {
  expect(await untilNothing(traces, 30_000)).toEqual([]);
  expect(await hashesOf(trip.world.imagesOf('a'))).toEqual(trip.before);
  const owners = (await itemsOf(trip.world)).filter((item) => item.vm === 'web-1' && item.owner !== undefined);
  expect(owners.map(({ owner }) => owner)).toEqual(['a/h1']);
}

describe('a migration that is aborted', () => {
  it.each([
    ['while its layers are surveyed', /\.survey\.\S+\/report/],
    ['while base layers are sent', /^PUT \S+\/packs\//],
    ['when base layers have arrived', /\.fetch\.\S+\/report/],
    ['while the VM’s own layer is sent', /\.cutover\.\S+\/rounds/],
    ['when the VM’s own layer has arrived', /\.follow\.\S+\/receipt/],
    ['when both sides agree, before the commit', /\/commit$/],
  ])('%s leaves both sides as they were', async (_, moment) => {
    const { aborted, migrated } = await abortAt(moment, 'answered');
    expect(aborted.stderr).not.toContain('error');
    expect(aborted.code).toBe(0);
    expect(migrated.code).toBe(1);
    expect(migrated.stderr).toContain('is aborted');
    expect(lastLine(migrated)).toMatchObject({ state: 'aborted' });
    await expectAsBefore();
  });

  it('at the moment of its commit is aborted or committed, never between', async () => {
    const { aborted, migrated } = await abortAt(/\/commit$/, 'sent');
    if (migrated.code === 0) {
      // The abort may have come too late to say so.
      expect([0, 1]).toContain(aborted.code);
    } else {
      expect(lastLine(migrated)).toMatchObject({ state: 'aborted' });
      await expectAsBefore();
      expect((await trip.migrate('the-last-trip').ended).code).toBe(0);
    }
    expect(await trip.judge()).toEqual([]);
  });
});
