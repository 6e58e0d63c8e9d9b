import { existsSync, readdirSync, utimesSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { describeWithQemu, whileRunning } from '../disk/qemu.ts';
import { expectEqual, twoHosts } from './hosts.ts';
import { migrate } from './play.ts';
import { filesIn, type LayerSpec, writeChain } from './support.ts';

const hosts = twoHosts();
const KiB = 1024;
const MiB = 1024 * KiB;
const CHAIN: LayerSpec[] = [
  { name: 'os.qcow2', patches: [{ at: 0, length: MiB, seed: 1 }] },
  { name: 'web-1.qcow2', patches: [{ at: 2 * MiB, length: 512 * KiB, seed: 2 }] },
];
const VM = { vms: ['web-1'], to: 'b/h1' } as const;
const MOVED = ['os.qcow2', 'web-1.qcow2'];

let before: string[];
beforeEach(async () => {
  await writeChain(hosts.at('a'), CHAIN);
  before = filesIn(hosts.at('a'));
});

const start = () => migrate(hosts.cloud(), { ...VM, vms: [...VM.vms] });
const arrivalsAt = (site: string) => readdirSync(hosts.at(site, '.layermover', 'arrivals'));
const owner = async () => (await hosts.cloud().ports.vms.find('default', 'web-1'))?.owner;

/** Does something when a call comes for the first time, before it is answered. */
function onFirst(path: RegExp, act: (path: string) => Promise<void>): void {
  let done = false;
  hosts.cloud().hooks.before = async (call) => {
    if (done || !path.test(call.path)) return;
    done = true;
    await act(call.path);
  };
}

async function expectMoved(): Promise<void> {
  expect(filesIn(hosts.at('b'))).toEqual(MOVED);
  expect(arrivalsAt('b')).toEqual([]);
  expect(filesIn(hosts.at('a'))).toEqual(before);
  expect(await owner()).toBe('b/h1');
  await expectEqual(hosts.at('a', 'web-1.qcow2'), hosts.at('b', 'web-1.qcow2'));
}

/** The VM is where it was; all that may be left at the destination are whole base layers. */
async function expectUnmoved(): Promise<void> {
  await expect.poll(() => arrivalsAt('b'), { timeout: 10_000 }).toEqual([]);
  expect(MOVED.slice(0, 1)).toEqual(expect.arrayContaining(filesIn(hosts.at('b'))));
  expect(filesIn(hosts.at('a'))).toEqual(before);
  expect(await owner()).toBe('a/h1');
}

describe('a migration that is aborted', () => {
  const moments: [string, RegExp][] = [
    ['while a base layer is pushed', /\.seed\..*\/rounds$/],
    ['while the top layer is pushed', /\.cutover\..*\/rounds$/],
    ['when the top layer has arrived', /\.follow\..*\/receipt$/],
  ];
  it.each(moments)('%s leaves both sides as they were', async (_, moment) => {
    await hosts.start('a');
    await hosts.start('b');
    onFirst(moment, async (path) => {
      const migration = /m[0-9a-f]{20}/.exec(path)![0];
      await hosts.cloud().api.call('abortMigration', { params: { migration } });
    });
    const view = await (await start()).ended;
    expect(view).toMatchObject({ state: 'aborted', vms: [{ state: 'rolled-back' }] });
    await expect.poll(() => filesIn(hosts.at('b')), { timeout: 10_000 }).toEqual([]);
    await expectUnmoved();
    expect(await (await start()).ended).toMatchObject({ state: 'committed' });
    await expectMoved();
  });
});

describe('an agent that is stopped', () => {
  it.each(['a', 'b'] as const)('at site %s in the middle is taken over by its next run', async (site) => {
    const agents = { a: await hosts.start('a'), b: await hosts.start('b') };
    let restarted: Promise<unknown> | undefined;
    onFirst(/\.cutover\..*\/rounds$/, async () => {
      restarted = agents[site].stop().then(() => hosts.start(site));
    });
    const { id, ended } = await start();
    expect(await ended).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    await restarted;
    const task = await hosts.cloud().ports.tasks.find(`${id}.${site === 'a' ? 'cutover' : 'follow'}.web-1`);
    expect(task).toMatchObject({ attempt: 2, outcome: { status: 'done' } });
    await expectMoved();
  });

  it.each(['before', 'after'])('with a VM that has arrived keeps it %s the commit', async (when) => {
    await hosts.start('a');
    const b = await hosts.start('b');
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    onFirst(/\/commit$/, async () => {
      asked.resolve();
      await gate.promise;
    });
    const { ended } = await start();
    await asked.promise;
    await b.stop();
    expect(filesIn(hosts.at('b'))).toEqual(['os.qcow2', 'web-1.qcow2.partial']);
    if (when === 'after') {
      gate.resolve();
      await expect.poll(owner).toBe('b/h1');
    }
    await hosts.start('b');
    await expect
      .poll(() => hosts.log.lines.filter(({ message }) => message === 'task begins').length)
      .toBeGreaterThan(5);
    gate.resolve();
    expect(await ended).toMatchObject({ state: 'committed', vms: [{ equal: true }] });
    await expectMoved();
  });

  it('with a VM that was rolled back meanwhile removes it when it is back', async () => {
    await hosts.start('a');
    const b = await hosts.start('b');
    onFirst(/\/commit$/, async (path) => {
      await b.stop();
      expect(existsSync(hosts.at('b', 'web-1.qcow2.partial'))).toBe(true);
      const migration = /m[0-9a-f]{20}/.exec(path)![0];
      await hosts.cloud().api.call('abortMigration', { params: { migration } });
    });
    expect(await (await start()).ended).toMatchObject({ state: 'aborted', vms: [{ state: 'rolled-back' }] });
    expect(existsSync(hosts.at('b', 'web-1.qcow2.partial'))).toBe(true);
    await hosts.start('b');
    await expectUnmoved();
  });
});

describe('a task', () => {
  it('that the workflow gave up begins again as another attempt', async () => {
    await hosts.start('a');
    await hosts.start('b');
    const { workflow } = hosts.cloud().ports;
    const started = start();
    onFirst(/\.cutover\..*\/rounds$/, async () => {
      const token = (await started).workflow.tokens.get('cutover web-1')!;
      await workflow.fail(token, { code: 'TEST_ABANDONED', message: 'as if a heartbeat was missed' });
    });
    const { id, ended } = await started;
    expect(await ended).toMatchObject({ state: 'committed' });
    expect(await hosts.cloud().ports.tasks.find(`${id}.cutover.web-1`)).toMatchObject({ attempt: 2 });
    await expectMoved();
  });

  it('outlives a cloud that is away for a while', async () => {
    await hosts.start('a');
    await hosts.start('b');
    let refused = 0;
    onFirst(/\.cutover\..*\/rounds$/, async () => {
      const answers = hosts.cloud().hooks;
      answers.before = () => {
        if (++refused <= 40) throw new TypeError('fetch failed');
      };
      throw new TypeError('fetch failed');
    });
    expect(await (await start()).ended).toMatchObject({ state: 'committed' });
    expect(refused).toBeGreaterThan(40);
    await expectMoved();
  });
});

describe('images that change', () => {
  it('at the source while the destination proves what it has are not committed', async () => {
    await hosts.start('a');
    await hosts.start('b');
    onFirst(/\.follow\..*\/receipt$/, async () => utimesSync(hosts.at('a', 'web-1.qcow2'), 1, 1));
    const view = await (await start()).ended;
    expect(view).toMatchObject({ state: 'failed', vms: [{ state: 'rolled-back', error: { code: 'LAYER_CHANGED' } }] });
    await expectUnmoved();
  });

  it('at the destination are sent again next time', async () => {
    await hosts.start('a');
    await hosts.start('b');
    expect(await (await start()).ended).toMatchObject({ state: 'committed' });
    // The way back needs a's base layer, which is no longer what the cloud was told.
    onFirst(/\.survey\..*\/report$/, async () => utimesSync(hosts.at('a', 'os.qcow2'), 1, 1));
    const back = () => migrate(hosts.cloud(), { vms: ['web-1'], to: 'a/h1' });
    const lost = { state: 'failed', vms: [{ error: { code: 'LAYER_LOST' } }] };
    expect(await (await back()).ended).toMatchObject(lost);
    const again = await (await back()).ended;
    expect(again).toMatchObject({ state: 'committed', vms: [{ layers: [{ treatment: 'dedup' }, {}] }] });
  });
});

describeWithQemu('a VM that runs', () => {
  it('is refused before anything is changed', async () => {
    await hosts.start('a');
    await hosts.start('b');
    await whileRunning('qemu-io', [hosts.at('a', 'web-1.qcow2')], /qemu-io> /, async () => {
      const view = await (await start()).ended;
      expect(view).toMatchObject({ state: 'failed', error: { code: 'IMAGE_HELD' } });
    });
    await expectUnmoved();
  });
});
