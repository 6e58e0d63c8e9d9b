import { beforeEach, describe, expect, it } from 'vitest';
import { MIGRATION } from './support/cloud.ts';
import { chain, id } from './support/samples.ts';
import { createStepped, RECORD, type Stepped } from './support/steps.ts';

let s: Stepped;
beforeEach(async () => {
  s = await createStepped();
});

const VMS = RECORD.vmNames.map((vm) => ({ vm }));

const enrol = (host: string, vmNames: string[]) =>
  s.cloud.call('enrolHost', host, {
    params: { site: 'c', host },
    body: { version: '1', vms: vmNames, free_bytes: 1, layers: [] },
  });

describe('prepare', () => {
  it('finds sources, leases, and says where to go on', async () => {
    expect(await s.step({ step: 'prepare' })).toEqual({
      sources: [{ host: 'a/h1' }],
      vms: [{ vm: 'web-2' }, { vm: 'web-1' }],
      destination: 'b/h2',
    });
    expect((await s.record())?.state).toBe('preparing');
    expect(await s.ownership('web-1')).toMatchObject({ owner: 'a/h1', epoch: 0, lease: { migration: MIGRATION } });
    expect(await s.vmOf('web-1')).toMatchObject({ source: 'a/h1', epoch: 0, state: 'waiting' });
  });

  it('again says the same and keeps what is there', async () => {
    const first = await s.planned().then(() => s.step({ step: 'prepare' }));
    expect(first).toEqual(await s.step({ step: 'prepare' }));
    expect((await s.vmOf('web-1'))?.layers).toHaveLength(3);
  });

  it('goes by the owner, not by who announces', async () => {
    await enrol('h3', ['web-1', 'web-2']);
    for (const vm of RECORD.vmNames) await s.cloud.vms.lease('default', vm, 'c/h3', { migration: 'm0', untilMs: 0 }, 0);
    expect(await s.step({ step: 'prepare' })).toMatchObject({ sources: [{ host: 'c/h3' }] });
  });

  it('takes a VM that several announce from the one that is named', async () => {
    s = await createStepped({ from: 'a/h1' });
    await enrol('h3', ['web-1', 'web-2']);
    expect(await s.step({ step: 'prepare' })).toMatchObject({ sources: [{ host: 'a/h1' }] });
  });

  it.each([
    ['nobody announces it', { vmNames: ['web-9'] }, undefined, 'VM_UNKNOWN'],
    ['the named host has it not', { from: 'c/h3' as const }, undefined, 'VM_UNKNOWN'],
    ['several announce it', {}, () => enrol('h3', ['web-2']), 'VM_AMBIGUOUS'],
    [
      'it is there already',
      { vmNames: ['web-9'], to: 'c/h3' as const },
      () => enrol('h3', ['web-9']),
      'VM_ALREADY_THERE',
    ],
    [
      'another migration holds it',
      {},
      () => s.cloud.vms.lease('default', 'web-2', 'a/h1', { migration: 'm0', untilMs: 9e15 }, 0),
      'VM_LEASED',
    ],
    [
      'another host owns it',
      { from: 'a/h1' as const },
      () => s.cloud.vms.lease('default', 'web-2', 'c/h3', { migration: 'm0', untilMs: 0 }, 0),
      'VM_OWNED_ELSEWHERE',
    ],
  ])('refuses a VM when %s', async (_, change, before, code) => {
    s = await createStepped(change);
    await before?.();
    expect(await s.fails({ step: 'prepare' })).toBe(code);
  });
});

describe('plan', () => {
  it('deduplicates base layers, once for the gang, and sends user data direct', async () => {
    expect(await s.planned()).toEqual({ seeding: true, seeds: [{ host: 'a/h1' }], vms: VMS, only: false });
    expect((await s.vmOf('web-1'))?.layers).toMatchObject([
      { stream: id('debian'), treatment: 'dedup', shared: true, stored: false },
      { stream: id('lamp'), treatment: 'dedup', shared: true },
      { stream: 'ud:web-1', treatment: 'direct', shared: false },
    ]);
    expect((await s.record())?.state).toBe('seeding');
  });

  it('skips what the destination has, and seeds nothing if that is all', async () => {
    await s.cloud.layers.announce('default', 'b/h2', [id('debian'), id('lamp')]);
    expect(await s.planned()).toEqual({ seeding: false, seeds: [], vms: VMS, only: false });
    expect((await s.vmOf('web-1'))?.layers?.map((layer) => layer.treatment)).toEqual(['skip', 'skip', 'direct']);
  });

  it('lets nobody push what the store has', async () => {
    const shape = { virtualBytes: 1, chunkBytes: 65_536, dataBytes: 1, recordedMs: 1, kind: 'os' } as const;
    for (const name of ['debian', 'lamp'])
      await s.cloud.layers.record('default', { layerId: id(name), parent: null, name, ...shape });
    expect(await s.planned()).toEqual({ seeding: true, seeds: [], vms: VMS, only: false });
    expect((await s.vmOf('web-1'))?.layers?.map((layer) => layer.stored)).toEqual([true, true, false]);
  });

  it('splits seeding between sources: each layer from a host that has it', async () => {
    await s.cloud.vms.lease('default', 'web-1', 'c/h3', { migration: 'm0', untilMs: 0 }, 0);
    await s.step({ step: 'prepare' });
    await s.cloud.migrations.updateVm(MIGRATION, { name: 'web-2', run: 1 }, { surveyed: chain('web-2') });
    await s.cloud.migrations.updateVm(MIGRATION, { name: 'web-1', run: 1 }, { surveyed: chain('web-1', 'node') });
    expect(await s.step({ step: 'plan' })).toEqual({
      seeding: true,
      seeds: [{ host: 'a/h1' }, { host: 'c/h3' }],
      vms: VMS,
      only: false,
    });
    await s.step({ step: 'dispatch', kind: 'seed', what: 'c/h3', token: 't' });
    const input = (await s.cloud.tasks.find(`${MIGRATION}.seed.c.h3`))?.input;
    expect(input).toMatchObject({ layers: [{ stream: id('node'), vm: 'web-1', depth: 1, parent: id('debian') }] });
  });

  it.each([
    [3, 2, ['web-2', 'web-1']],
    [2, 3, ['web-1', 'web-2']],
  ])(
    'sends large base layers first (%d and %d MB), and moves VMs in the order of theirs',
    async (ofSecond, ofFirst, names) => {
      await s.step({ step: 'prepare' });
      for (const [name, base, megabytes] of [
        ['web-2', 'node', ofSecond],
        ['web-1', 'lamp', ofFirst],
      ] as const) {
        const sized = { [id('debian')]: 9, [id(base)]: megabytes };
        const surveyed = chain(name, base).map((each) => {
          return { ...each, data_bytes: 1_000_000 * (sized[each.layer_id ?? ''] ?? 1) };
        });
        await s.cloud.migrations.updateVm(MIGRATION, { name, run: 1 }, { surveyed });
      }
      expect(await s.step({ step: 'plan' })).toMatchObject({ vms: names.map((vm) => ({ vm })) });
      await s.step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 't' });
      const { input } = (await s.cloud.tasks.find(`${MIGRATION}.seed.a.h1`))!;
      const sent = 'layers' in input ? input.layers.map(({ vm }) => vm) : [];
      expect(sent.slice(1)).toEqual(names);
      // The first one to move tells that the migration does.
      await s.step({ step: 'decide', vm: names[1]!, round: 0 });
      expect((await s.record())?.state).toBe('seeding');
      await s.step({ step: 'decide', vm: names[0]!, round: 0 });
      expect((await s.record())?.state).toBe('moving');
    },
  );

  it('gives each disk of a VM a stream of its own, and a base of two of them one', async () => {
    await s.step({ step: 'prepare' });
    const disk = (name: string) => chain('web-1').map((layer) => ({ disk: name, ...layer }));
    const surveyed = [...disk('root'), ...disk('data')];
    await s.cloud.migrations.updateVm(MIGRATION, { name: 'web-1', run: 1 }, { surveyed });
    await s.cloud.migrations.updateVm(MIGRATION, { name: 'web-2', run: 1 }, { surveyed: chain('web-2', 'node') });
    await s.step({ step: 'plan' });
    expect((await s.vmOf('web-1'))?.layers).toMatchObject([
      { disk: 'root', stream: id('debian'), treatment: 'dedup' },
      { disk: 'root', stream: id('lamp'), treatment: 'dedup' },
      { disk: 'root', stream: 'ud:web-1/root', treatment: 'direct' },
      { disk: 'data', stream: id('debian'), treatment: 'dedup' },
      { disk: 'data', stream: id('lamp'), treatment: 'dedup', shared: true },
      { disk: 'data', stream: 'ud:web-1/data', treatment: 'direct' },
    ]);
    await s.step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 't' });
    const { input } = (await s.cloud.tasks.find(`${MIGRATION}.seed.a.h1`))!;
    const streams = 'layers' in input ? input.layers.map(({ stream }) => stream).sort() : [];
    expect(streams).toEqual([id('debian'), id('lamp'), id('node')].sort());
  });

  it('needs the survey', async () => {
    await s.step({ step: 'prepare' });
    expect(await s.fails({ step: 'plan' })).toBe('SURVEY_MISSING');
  });

  it('obeys a forced policy, but never skips a top layer', async () => {
    s = await createStepped({ policy: 'dedup' });
    await s.step({ step: 'prepare' });
    for (const name of RECORD.vmNames) {
      const top = { ...chain(name)[2]!, layer_id: id(name) };
      await s.cloud.migrations.updateVm(MIGRATION, { name, run: 1 }, { surveyed: [...chain(name).slice(0, 2), top] });
    }
    await s.cloud.layers.announce('default', 'b/h2', [id('web-1')]);
    await s.step({ step: 'plan' });
    expect((await s.vmOf('web-1'))?.layers?.[2]).toMatchObject({
      treatment: 'dedup',
      layerId: id('web-1'),
      stream: 'ud:web-1',
    });
  });
});

describe('dispatch', () => {
  it('posts each kind of task to the host that does it', async () => {
    await s.planned();
    const posted: [string, string, string][] = [
      ['survey', 'a/h1', 'a/h1'],
      ['seed', 'a/h1', 'a/h1'],
      ['fetch', 'b/h2', 'b/h2'],
      ['cutover', 'web-1', 'a/h1'],
      ['follow', 'web-1', 'b/h2'],
    ];
    for (const [kind, what, host] of posted) {
      const { task } = (await s.step({ step: 'dispatch', kind: kind as 'seed', what, token: `t-${kind}` })) as {
        task: string;
      };
      expect(await s.cloud.tasks.find(task), kind).toMatchObject({
        host,
        token: `t-${kind}`,
        input: { kind, migration: MIGRATION },
      });
    }
    const cutover = (await s.cloud.tasks.find(`${MIGRATION}.cutover.web-1`))?.input;
    expect(cutover).toMatchObject({
      epoch: 0,
      chain: { vm: 'web-1', layers: [{ depth: 0 }, { depth: 1 }, { stream: 'ud:web-1', depth: 2 }] },
    });
    const survey = (await s.cloud.tasks.find(`${MIGRATION}.survey.a.h1`))?.input;
    expect(survey).toMatchObject({ vms: [{ name: 'web-2' }, { name: 'web-1' }] });
  });

  it('again with a fresh token is the next attempt', async () => {
    await s.planned();
    await s.step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 'one' });
    await s.step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 'two' });
    expect(await s.cloud.tasks.find(`${MIGRATION}.seed.a.h1`)).toMatchObject({ token: 'two', attempt: 2 });
  });

  it('leaves no task behind when an abort comes in between', async () => {
    await s.planned();
    const { post } = s.cloud.tasks;
    s.cloud.tasks.post = async (task) => {
      await s.cloud.call('abortMigration', 'user', { params: { migration: MIGRATION } });
      return await post(task);
    };
    expect(await s.fails({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 't' })).toBe('ABORTED');
    expect((await s.cloud.tasks.find(`${MIGRATION}.seed.a.h1`))?.outcome).toEqual({ status: 'cancelled' });
  });

  it('has no round for a VM that is stopped', async () => {
    await s.planned();
    expect(await s.step({ step: 'decide', vm: 'web-1', round: 0 })).toEqual({ decision: 'cutover', round: 1 });
    expect(await s.fails({ step: 'dispatch', kind: 'round', what: 'web-1', token: 't' })).toBe('ROUND_REFUSED');
  });
});
