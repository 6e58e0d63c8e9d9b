import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Round, roundCursor, roundsBegin } from '../../core/records.ts';
import { type TableCloud, tableClouds } from './support/clouds.ts';
import { digestOf, fresh, freshMigration, migrationRecord, streamRecord, vmRecord } from './support/samples.ts';

const cursorOf = (run: number, attempt: number, sequence: number) =>
  roundCursor({ run, round: 'last', attempt }, sequence);

describe.each(tableClouds)('MigrationStore on $name', ({ start }) => {
  let cloud: TableCloud;
  beforeAll(async () => {
    cloud = await start();
  });
  afterAll(() => cloud.close());

  it('creates a record once and answers it ever after', async () => {
    const record = migrationRecord('default', 1000);
    expect(await cloud.here.migrations.create(record)).toEqual(record);
    expect(await cloud.there.migrations.create({ ...record, createdMs: 2000, vmNames: ['other'] })).toEqual(record);
    expect(await cloud.there.migrations.find(record.id)).toEqual(record);
    expect(await cloud.there.migrations.find(freshMigration())).toBeUndefined();
  });

  it('those who create at the same time all get the one record', async () => {
    const record = migrationRecord('default', 1000);
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        (i % 2 === 0 ? cloud.here : cloud.there).migrations.create({ ...record, createdMs: 1000 + i }),
      ),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it('lists a namespace newest first, page by page', async () => {
    const namespace = fresh('ns');
    const records = [5, 1, 4, 4, 1_700_000_000_000, 2].map((createdMs) => migrationRecord(namespace, createdMs));
    for (const record of records) await cloud.here.migrations.create(record);
    await cloud.here.migrations.create(migrationRecord(fresh('ns'), 3));
    const seen = [];
    for (let after: string | undefined; ; ) {
      const page = await cloud.there.migrations.list(namespace, 2, after);
      if (page.length === 0) break;
      seen.push(...page);
      after = page.at(-1)?.id;
    }
    expect(seen.map((record) => record.createdMs)).toEqual([1_700_000_000_000, 5, 4, 4, 2, 1]);
    expect(new Set(seen.map((record) => record.id)).size).toBe(6);
    expect(await cloud.here.migrations.list(fresh('ns'), 2)).toEqual([]);
  });

  it('keeps a registration with what was found, and lists it nowhere', async () => {
    const namespace = fresh('ns');
    const registration = { files: ['a.qcow2'], kind: 'os', publish: true } as const;
    const record = { ...migrationRecord(namespace, 1), vmNames: [], registration };
    expect(await cloud.here.migrations.create(record)).toEqual(record);
    const layer = { ...vmRecord('web-1').surveyed![0]!, layer_id: digestOf('os'), published: false };
    const found = { ...registration, layers: [layer] };
    expect(await cloud.there.migrations.update(record, ['requested'], { registration: found })).toBe(true);
    expect((await cloud.here.migrations.find(record.id))?.registration).toEqual(found);
    expect(await cloud.there.migrations.list(namespace, 9)).toEqual([]);
  });

  it('refuses to list after what is not in the namespace', async () => {
    const foreign = await cloud.here.migrations.create(migrationRecord(fresh('ns'), 1));
    for (const after of [foreign.id, freshMigration()]) {
      await expect(cloud.here.migrations.list(fresh('ns'), 2, after)).rejects.toMatchObject({
        code: 'MIGRATION_UNKNOWN',
      });
    }
  });

  it('changes a record in the states that were named and no other', async () => {
    const record = await cloud.here.migrations.create(migrationRecord('default', 1000));
    const { migrations } = cloud.there;
    expect(await migrations.update(record, ['preparing', 'moving'], { state: 'committed' })).toBe(false);
    expect(await migrations.find(record.id)).toEqual(record);
    const error = {
      code: 'ABORTED',
      message: 'x'.repeat(9000),
      data: { a: [1] },
      cause: { code: 'ENOENT', message: '' },
    };
    const change = { state: 'failed', endedMs: 5, error, abortRequested: true } as const;
    expect(await migrations.update(record, ['preparing', 'requested'], change)).toBe(true);
    expect(await cloud.here.migrations.find(record.id)).toEqual({ ...record, ...change });
    expect(await migrations.update(record, ['failed'], { error: undefined, endedMs: undefined })).toBe(true);
    expect(await cloud.here.migrations.find(record.id)).toEqual({ ...record, state: 'failed', abortRequested: true });
    expect(await migrations.update({ id: freshMigration(), run: 1 }, ['requested'], { state: 'failed' })).toBe(false);
  });

  it('changes a record in the run that was named and no other, so that one of several begins the next', async () => {
    const record = await cloud.here.migrations.create(migrationRecord('default', 1000));
    const next = { run: 2, state: 'preparing' } as const;
    const answers = await Promise.all(
      [cloud.here, cloud.there, cloud.here].map(({ migrations }) => migrations.update(record, ['requested'], next)),
    );
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await cloud.here.migrations.update(record, ['preparing'], { state: 'failed' })).toBe(false);
    expect(await cloud.there.migrations.find(record.id)).toEqual({ ...record, ...next });
    expect(await cloud.here.migrations.update({ ...record, run: 2 }, ['preparing'], { state: 'moving' })).toBe(true);
  });

  it('lets one of several end a migration', async () => {
    const record = await cloud.here.migrations.create(migrationRecord('default', 1000));
    const ends = ['committed', 'failed', 'aborted'] as const;
    const answers = await Promise.all(
      ends.map((state, i) => (i === 0 ? cloud.here : cloud.there).migrations.update(record, ['requested'], { state })),
    );
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect((await cloud.here.migrations.find(record.id))?.state).toBe(ends[answers.indexOf(true)]);
  });

  it('keeps VMs of a migration, each changed by itself', async () => {
    const id = freshMigration();
    const [one, two] = [vmRecord('web-1'), vmRecord('web-2')];
    await cloud.here.migrations.putVm(id, two);
    await cloud.here.migrations.putVm(id, one);
    await cloud.here.migrations.putVm(id, one);
    await Promise.all([
      cloud.here.migrations.updateVm(id, { name: 'web-1', run: 1 }, { state: 'moving', startedMs: 7 }),
      cloud.there.migrations.updateVm(id, { name: 'web-1', run: 1 }, { error: { code: 'X', message: 'y' } }),
    ]);
    await cloud.there.migrations.updateVm(id, { name: 'web-2', run: 1 }, { surveyed: undefined });
    const { surveyed: _removed, ...bare } = two;
    expect(await cloud.there.migrations.vms(id)).toEqual([
      { ...one, state: 'moving', startedMs: 7, error: { code: 'X', message: 'y' } },
      bare,
    ]);
    const unknown = cloud.here.migrations.updateVm(id, { name: 'web-3', run: 1 }, { state: 'moving' });
    await expect(unknown).rejects.toMatchObject({ code: 'VM_UNKNOWN' });
    const late = cloud.here.migrations.updateVm(id, { name: 'web-1', run: 2 }, { state: 'rolled-back' });
    await expect(late, 'another run').rejects.toMatchObject({ code: 'VM_UNKNOWN' });
    expect(await cloud.here.migrations.vms(id)).toHaveLength(2);
    expect(await cloud.here.migrations.vms(freshMigration())).toEqual([]);
  });

  it('starts a VM that waits, and none that is settled, of another run or unknown', async () => {
    const id = freshMigration();
    const states = { 'web-1': 'waiting', 'web-2': 'rolled-back', 'web-3': 'committed', 'web-4': 'waiting' } as const;
    for (const [name, state] of Object.entries(states))
      await cloud.here.migrations.putVm(id, { ...vmRecord(name), state });
    for (const name of ['web-1', 'web-2', 'web-3', 'web-5']) await cloud.there.migrations.startVm(id, { name, run: 1 });
    await cloud.there.migrations.startVm(id, { name: 'web-4', run: 2 });
    expect((await cloud.here.migrations.vms(id)).map((vm) => [vm.name, vm.state])).toEqual([
      ['web-1', 'moving'],
      ['web-2', 'rolled-back'],
      ['web-3', 'committed'],
      ['web-4', 'waiting'],
    ]);
  });

  it('replaces the record of a stream on one side only', async () => {
    const [id, stream] = [freshMigration(), digestOf('layer')];
    await cloud.here.migrations.putStream(id, streamRecord(stream, 'source', 1));
    await cloud.here.migrations.putStream(id, streamRecord(stream, 'destination', 2));
    await cloud.there.migrations.putStream(id, streamRecord(stream, 'source', 3));
    await cloud.there.migrations.putStream(id, streamRecord('ud:web-1', 'source', 4));
    const streams = await cloud.here.migrations.streams(id);
    expect(streams).toHaveLength(3);
    expect(streams).toEqual(
      expect.arrayContaining([
        streamRecord(stream, 'source', 3),
        streamRecord(stream, 'destination', 2),
        streamRecord('ud:web-1', 'source', 4),
      ]),
    );
  });

  it('gives the rounds of a stream in order, page by page, and none of another', async () => {
    const id = freshMigration();
    const round = (stream: string, attempt: number, sequence: number): Round => ({
      stream,
      cursor: cursorOf(1, attempt, sequence),
      segments: [{ index: sequence, id: digestOf(`${attempt}.${sequence}`) }],
    });
    const ordered = [round('ud:web', 1, 1), round('ud:web', 1, 2), round('ud:web', 1, 10), round('ud:web', 2, 0)];
    const last = { ...round('ud:web', 10, 0), segments: [], layerId: digestOf('root') };
    for (const each of [last, ordered[2]!, ordered[0]!, ordered[3]!, ordered[1]!]) {
      await cloud.here.migrations.appendRound(id, each);
    }
    await cloud.here.migrations.appendRound(id, round('ud:web-1', 1, 1));
    await cloud.here.migrations.appendRound(freshMigration(), round('ud:web', 1, 3));
    const { migrations } = cloud.there;
    expect(await migrations.rounds(id, 'ud:web', 32)).toEqual([...ordered, last]);
    expect(await migrations.rounds(id, 'ud:web', 2)).toEqual(ordered.slice(0, 2));
    expect(await migrations.rounds(id, 'ud:web', 2, ordered[1]?.cursor)).toEqual(ordered.slice(2));
    expect(await migrations.rounds(id, 'ud:web', 2, last.cursor)).toEqual([]);
    expect(await migrations.rounds(id, 'ud:web', 9, cursorOf(1, 1, 5)), 'a cursor between rounds').toEqual([
      ...ordered.slice(2),
      last,
    ]);
  });

  it('gives the rounds of a running VM before the one that ends its stream, whatever attempts they took', async () => {
    const id = freshMigration();
    const tasks = [
      { run: 1, round: 0, attempt: 1 },
      { run: 1, round: 9, attempt: 12 },
      { run: 1, round: 10, attempt: 13 },
      { run: 1, round: 'last', attempt: 1 },
      { run: 2, round: 0, attempt: 14 },
    ] as const;
    const rounds = tasks.map((task): Round => ({ stream: 'ud:web', cursor: roundCursor(task, 0), segments: [] }));
    for (const round of rounds.toReversed()) await cloud.here.migrations.appendRound(id, round);
    expect(await cloud.there.migrations.rounds(id, 'ud:web', 9)).toEqual(rounds);
    expect(await cloud.there.migrations.lastRound(id, 'ud:web')).toEqual(rounds.at(-1));
    expect(await cloud.there.migrations.lastRound(id, 'ud:web-1')).toBeUndefined();
  });

  it('keeps how running VMs are moved, and what became of each', async () => {
    const live = { cutover: 'stop', maxDowntimeMs: 200, onNoConvergence: 'abort' } as const;
    const record = { ...migrationRecord('default', 1000), live, maxRateBytesPerSecond: 1e8 };
    await cloud.here.migrations.create(record);
    expect(await cloud.there.migrations.find(record.id)).toEqual(record);
    const vm = {
      ...vmRecord('web-1'),
      rounds: [
        {
          round: 0,
          dirty_bytes: 9,
          sent_bytes: 5,
          milliseconds: 3,
          remaining_bytes: 1,
          hot_bytes: 1,
          guest_write_bytes_per_second: 4,
          link_bytes_per_second: 7,
          throttleBytesPerSecond: 8,
        },
      ],
      decided: { round: 1, predictedMs: 100, throttleBytesPerSecond: 4, reason: 'why' },
      incoming: { uri: 'tcp:h2:1', applied: { 'ud:web-1': '0001.0000' } },
      blackout: { total_ms: 50, storage_ms: 40, last_bytes: 3 },
    };
    await cloud.here.migrations.putVm(record.id, vm);
    expect(await cloud.there.migrations.vms(record.id)).toEqual([vm]);
  });

  it('gives the rounds of a run from its beginning on, whatever earlier runs had told', async () => {
    const id = freshMigration();
    const [old, last, now] = [cursorOf(1, 9, 9), cursorOf(1, 10, 0), cursorOf(2, 11, 0)].map(
      (cursor): Round => ({ stream: 'ud:web', cursor, segments: [] }),
    ) as [Round, Round, Round];
    for (const round of [now, last, old]) await cloud.here.migrations.appendRound(id, round);
    expect(await cloud.there.migrations.rounds(id, 'ud:web', 9, roundsBegin(1))).toEqual([old, last, now]);
    expect(await cloud.there.migrations.rounds(id, 'ud:web', 9, roundsBegin(2))).toEqual([now]);
  });

  it('the same round again changes nothing', async () => {
    const id = freshMigration();
    const round: Round = {
      stream: 'ud:web',
      cursor: cursorOf(1, 1, 1),
      segments: [{ index: 0, id: digestOf('s') }],
    };
    await cloud.here.migrations.appendRound(id, round);
    await cloud.there.migrations.appendRound(id, round);
    expect(await cloud.here.migrations.rounds(id, 'ud:web', 9)).toEqual([round]);
  });
});
