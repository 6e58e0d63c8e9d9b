import { readdirSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { LayerMoverError } from '../../core/errors.ts';
import { migrationScope } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate, Workflow } from './play.ts';
import { shrinkLimits } from './push-support.ts';
import { filesIn, type LayerSpec, writeChain, writeLayer } from './support.ts';

const hosts = twoHosts();
const KiB = 1024;
const MiB = 1024 * KiB;
const chunk_bytes = 4 * KiB;
const PACK = 64 * chunk_bytes;
shrinkLimits(PACK / 2);
Object.assign(limits, { packs_settling_max: 2 });
const DATA = 12 * PACK;
const OS: LayerSpec = { name: 'os.qcow2', patches: [{ at: 0, length: MiB, seed: 1 }] };
const user = (name: string, seed: number): LayerSpec => ({ name, patches: [{ at: MiB, length: DATA, seed }] });
const DISK = 2 * MiB + DATA;

beforeEach(async () => {
  const [base] = await writeChain(hosts.at('a'), [OS, user('web-1.qcow2', 2)], DISK);
  await writeLayer(hosts.at('a'), user('web-2.qcow2', 3), base, { virtualBytes: DISK });
});

/** Counts the bytes of the migrations’ own packs, and lets a test say what happens at each of them. */
function watchPacks(at: (pack: number) => Promise<void> | void = () => undefined) {
  const { objects } = hosts.cloud().ports;
  const put = objects.put.bind(objects);
  const seen = { packs: 0, bytes: 0, at };
  objects.put = async (key, parts) => {
    if (!/\/migrations\/.*\/packs\//.test(key)) return put(key, parts);
    await seen.at(++seen.packs);
    seen.bytes += parts.reduce((sum, part) => sum + part.length, 0);
    return put(key, parts);
  };
  return seen;
}

const start = (vms = ['web-1']) => migrate(hosts.cloud(), { vms, to: 'b/h1', chunk_bytes });
async function resume(migration: string, run = 1) {
  await hosts.cloud().api.call('resumeMigration', { params: { migration }, body: { run } });
  return new Workflow(hosts.cloud(), migration, { run: run + 1 }).run();
}
const broken = () => {
  throw new LayerMoverError('STORE_FULL', 'no room is left');
};
const keysOf = (migration: string) => hosts.cloud().ports.objects.list(migrationScope('default', migration), 1000);
const journals = () => readdirSync(hosts.at('a', '.layermover', 'journal'));
const expectMoved = async (...vms: string[]) => {
  for (const vm of vms) await expectEqual(hosts.at('a', `${vm}.qcow2`), hosts.at('b', `${vm}.qcow2`));
  expect(filesIn(hosts.at('b'))).toEqual(['os.qcow2', ...vms.map((vm) => `${vm}.qcow2`)]);
};
/** All packs once, and those that were in flight. */
const ONCE = DATA + 4 * PACK;

describe('user data that is being sent', () => {
  it('when the source’s agent is stopped is not sent again by its next run, but for what was in flight', async () => {
    const a = await hosts.start('a');
    await hosts.start('b');
    let again: Promise<unknown> | undefined;
    const seen = watchPacks((pack) => {
      if (pack === 8) again = a.stop().then(() => hosts.start('a'));
    });
    const { id, ended } = await start();
    const view = await ended;
    await again;
    expect(view).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    expect(seen.bytes).toBeLessThan(ONCE);
    const top = view.vms[0]!.layers.at(-1)!;
    expect(top.stored_bytes, 'the report counts both attempts').toBeGreaterThan(DATA - 3 * PACK);
    expect(top.wire_bytes).toBeLessThan(ONCE + MiB);
    expect((await hosts.cloud().ports.tasks.find(`${id}.cutover.web-1`))?.attempt).toBe(2);
    await expectMoved('web-1');
    await expect.poll(journals).toEqual([]);
  });

  it('when both agents are stopped still arrives', async () => {
    const agents = { a: await hosts.start('a'), b: await hosts.start('b') };
    const again: Promise<unknown>[] = [];
    const seen = watchPacks((pack) => {
      if (pack === 5) again.push(agents.b.stop().then(() => hosts.start('b')));
      if (pack === 9) again.push(agents.a.stop().then(() => hosts.start('a')));
    });
    expect(await (await start()).ended).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    await Promise.all(again);
    expect(seen.bytes).toBeLessThan(ONCE);
    await expectMoved('web-1');
  });
});

describe('a migration that failed in the middle', () => {
  it('keeps what it sent, and sends the rest when it is resumed', async () => {
    await hosts.start('a');
    await hosts.start('b');
    const seen = watchPacks((pack) => (pack > 7 ? broken() : undefined));
    const { id, ended } = await start();
    expect(await ended).toMatchObject({ state: 'failed', error: { code: 'STORE_FULL' } });
    expect((await keysOf(id)).filter((key) => key.includes('/packs/')).length).toBeGreaterThan(4);
    expect(journals()).toHaveLength(1);
    await expect.poll(() => filesIn(hosts.at('b'))).toEqual(['os.qcow2']);

    seen.at = () => undefined;
    expect(await resume(id)).toMatchObject({ state: 'committed', run: 2, vms: [{ equal: true }] });
    expect(seen.bytes).toBeLessThan(ONCE);
    await expectMoved('web-1');
    await expect.poll(journals).toEqual([]);
    expect(await keysOf(id)).toEqual([]);
  });

  it('brings what the VM holds by then, if it ran in between', async () => {
    await hosts.start('a');
    await hosts.start('b');
    const seen = watchPacks((pack) => (pack > 7 ? broken() : undefined));
    const { id, ended } = await start();
    expect((await ended).state).toBe('failed');
    const patches = [
      { at: MiB, length: DATA, seed: 2 },
      { at: MiB + 20 * KiB, length: 300 * KiB, seed: 9 },
    ];
    const changed = { name: 'later.qcow2', patches };
    await writeLayer(hosts.at('a'), changed, hosts.at('a', 'os.qcow2'), { virtualBytes: DISK, over: 'web-1.qcow2' });
    seen.at = () => undefined;
    expect(await resume(id)).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    expect(seen.bytes, 'and only that anew').toBeLessThan(ONCE + 2 * PACK);
    await expectMoved('web-1');
  });

  it('after its last round does not take that round for the new one', async () => {
    await hosts.start('a');
    await hosts.start('b');
    const { ports, hooks } = hosts.cloud();
    hooks.before = ({ path }) => {
      if (/\/commit$/.test(path)) throw new LayerMoverError('EPOCH_STALE', 'as if it had lost its lease');
    };
    const { id, ended } = await start();
    expect((await ended).state).toBe('failed');
    delete hooks.before;
    const rounds = await ports.migrations.rounds(id, 'ud:web-1', 999);
    expect(rounds.filter((round) => round.layerId !== undefined)).toHaveLength(1);
    const changed = { ...user('later.qcow2', 8) };
    await writeLayer(hosts.at('a'), changed, hosts.at('a', 'os.qcow2'), { virtualBytes: DISK, over: 'web-1.qcow2' });
    expect(await resume(id)).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    await expectMoved('web-1');
  });

  it('for one VM of a gang leaves the other where it arrived', async () => {
    await hosts.start('a');
    await hosts.start('b');
    const { hooks } = hosts.cloud();
    hooks.before = ({ path }) => {
      if (/cutover\.web-2\/rounds$/.test(path)) throw new LayerMoverError('BODY_INVALID', 'refused for a test');
    };
    const { id, ended } = await start(['web-1', 'web-2']);
    expect(await ended).toMatchObject({ state: 'failed', vms: [{ state: 'committed' }, { state: 'rolled-back' }] });
    delete hooks.before;
    const seen = watchPacks();
    const view = await resume(id);
    expect(view).toMatchObject({ state: 'committed', vms: [{ state: 'committed' }, { equal: true }] });
    expect(seen.bytes).toBeLessThan(ONCE);
    await expectMoved('web-1', 'web-2');
  });
});
