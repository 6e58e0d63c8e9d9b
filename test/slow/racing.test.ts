import { cpSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { clientOf } from '../../bin/connection.ts';
import type { LayerView, MigrationView } from '../../core/api/views.ts';
import { limits } from '../../core/limits.ts';
import { chanceOf } from '../kills/chance.ts';
import type { Seen, Verdict } from '../kills/front.ts';
import { type Images, makeImages } from '../kills/images.ts';
import { clockIn, hasFakeTime } from '../kills/set-clock.ts';
import { lastLine, until } from '../kills/trip.ts';
import { type Call, World } from '../kills/world.ts';
import { qemuImg } from './command.ts';

/** Agents on two hosts that have the same layers, and send them at the same moment: whole processes, real HTTP. */
let world: World;
afterEach(() => world.close());

const SOURCES = ['a', 'c'] as const;
const CHUNK = ['--chunk', '4096'];
const file = (vm: string) => `${vm}.qcow2`;

/** web-1 on host a and web-2 on host c lie on the same bases; their own disks are chance's, or the same too. */
async function prepare(dataMib: Images['dataMib'], tops: 'own' | 'same', cloud = {}): Promise<void> {
  world = await World.open(cloud);
  const made = world.imagesOf('made');
  const vms = tops === 'same' ? ['web-1'] : ['web-1', 'web-2'];
  await makeImages(made, { vms, dataMib }, chanceOf(3));
  for (const [at, site] of SOURCES.entries()) {
    const images = world.imagesOf(site);
    cpSync(made, images, { recursive: true });
    const vm = `web-${at + 1}`;
    if (tops === 'same') renameSync(path.join(images, file('web-1')), path.join(images, file(vm)));
    else rmSync(path.join(images, file(`web-${2 - at}`)));
  }
}

async function start(...sites: ('a' | 'b' | 'c' | 'd')[]): Promise<void> {
  await Promise.all(sites.map((site) => world.agent(site).start()));
  await world.enrolled();
}

const migrate = (to: string, ...words: string[]) => world.call('migrate', ...words, '--to', to, ...CHUNK);

async function committed(call: Call): Promise<MigrationView> {
  const ended = await call.ended;
  expect(ended.code, ended.stderr).toBe(0);
  const params = { migration: String(lastLine(ended).migration) };
  const view = await clientOf(world.operator).call('getMigration', { params });
  expect(view).toMatchObject({ state: 'committed' });
  expect(view.vms.every(({ equal }) => equal)).toBe(true);
  return view;
}

/** The task that asks the index, or nothing if a request is of something else. */
const asking = ({ line }: Seen) => /^POST \S*\/fingerprints\?\S*task=([^&]+)/.exec(line)?.[1];
const isPack = ({ line }: Seen) => /^PUT \S+\/ns\/default\/packs\//.test(line);

/** No pack goes before so many tasks like that have asked what is there: both are sure to find nothing. */
function raceOf(tasks: RegExp, count: number): void {
  const asked = new Set<string>();
  const { promise, resolve } = Promise.withResolvers<void>();
  world.front.judge = async (seen): Promise<Verdict> => {
    const task = asking(seen);
    if (task !== undefined && tasks.test(decodeURIComponent(task))) asked.add(task);
    if (asked.size >= count) resolve();
    if (isPack(seen) && asked.size > 0) await promise;
    return 'pass';
  };
}

const sentBytes = (layers: readonly LayerView[]) =>
  layers.reduce((all, { handled_bytes, deduped_bytes }) => all + handled_bytes - deduped_bytes, 0);
const storedBytes = (layers: readonly LayerView[]) => layers.reduce((all, layer) => all + layer.stored_bytes, 0);
const basesOf = ({ vms }: MigrationView) => vms.flatMap(({ layers }) => layers.filter(({ kind }) => kind !== 'ud'));
const topsOf = ({ vms }: MigrationView) => vms.flatMap(({ layers }) => layers.filter(({ kind }) => kind === 'ud'));

/** Frames and footers around chunks that do not compress: 36 bytes of 4,096 a chunk, and little more. */
const OVERHEAD = 1.01;

/** Packs that the index knows went through the network once for so many bytes of chunks. */
function expectOnce(rawBytes: number, layers: readonly LayerView[]): void {
  expect(sentBytes(layers)).toBe(rawBytes);
  expect(storedBytes(layers)).toBeGreaterThan(rawBytes);
  expect(storedBytes(layers)).toBeLessThan(OVERHEAD * rawBytes);
}

async function expectArrived(vm: string, from: 'a' | 'c', to: 'b' | 'd'): Promise<void> {
  await qemuImg('compare', '-q', path.join(world.imagesOf(from), file(vm)), path.join(world.imagesOf(to), file(vm)));
}

describe('two agents with the same layers', () => {
  it('in two migrations upload them once', async () => {
    await prepare({ os: 24, we: 8, top: 1 }, 'own');
    await start('a', 'b', 'c', 'd');
    raceOf(/\.seed\./, 2);
    const calls = [migrate('b/h2', 'web-1', '--policy', 'kind'), migrate('d/h2', 'web-2', '--policy', 'kind')];
    const [one, two] = (await Promise.all(calls.map(committed))) as [MigrationView, MigrationView];
    const rawBytes = basesOf(one).reduce((all, { handled_bytes }) => all + handled_bytes, 0);
    expect(rawBytes).toBeGreaterThan(25 * 2 ** 20);
    expectOnce(rawBytes, [...basesOf(one), ...basesOf(two)]);
    await expectArrived('web-1', 'a', 'b');
    await expectArrived('web-2', 'c', 'd');
  });

  it('and the same user data, in one gang, upload that once, too, if it is looked up', async () => {
    await prepare({ os: 2, we: 1, top: 12 }, 'same');
    await start('a', 'b', 'c');
    raceOf(/\.cutover\./, 2);
    const moved = await committed(migrate('b/h2', 'web-1', 'web-2', '--policy', 'dedup'));
    const tops = topsOf(moved);
    expect(tops).toHaveLength(2);
    expectOnce(tops[0]!.handled_bytes, tops);
    await expectArrived('web-1', 'a', 'b');
    await expectArrived('web-2', 'c', 'b');
  });
});

describe.skipIf(!hasFakeTime)(
  `an agent that is killed while another waits for what it has claimed [${hasFakeTime ? 'libfaketime' : 'libfaketime is not installed'}]`,
  () => {
    it('is waited for until its claim ends, and no longer; once it is back, it sends nothing of that again', async () => {
      const clockFolder = path.join(os.tmpdir(), `layermover-claims-${process.pid}`);
      mkdirSync(clockFolder);
      const clock = clockIn(path.join(clockFolder, 'clock'));
      await prepare({ os: 6, we: 1, top: 1 }, 'own', clock.options);
      await start('a', 'b', 'c', 'd');
      const questions: string[] = [];
      let isDead = false;
      const { promise: death, resolve: dies } = Promise.withResolvers<void>();
      const { promise: claimed, resolve: claims } = Promise.withResolvers<void>();
      world.front.judge = async (seen) => {
        const task = asking(seen);
        if (task !== undefined) questions.push(decodeURIComponent(task));
        if (!isPack(seen) || isDead) return 'pass';
        claims();
        await death;
        return 'lose-request';
      };
      const first = migrate('b/h2', 'web-1', '--policy', 'kind');
      await claimed;
      const second = migrate('d/h2', 'web-2', '--policy', 'kind');
      const byOther = () => questions.filter((task) => task.includes('.seed.c')).length;
      await until('the other one has asked, and asked again', () => byOther() > 2);
      await world.agents.get('a')!.kill();
      isDead = true;
      dies();
      const before = byOther();
      await until('it goes on asking', () => byOther() > before + 1);
      // One of each base layer, by the one that was killed.
      expect([...world.front.putBytes.keys()].filter((key) => key.includes('/ns/default/packs/')).length).toBe(2);

      clock.set(limits.claim_ms / 1000 + 10);
      const two = await committed(second);
      const rawBytes = basesOf(two).reduce((all, { handled_bytes }) => all + handled_bytes, 0);
      expectOnce(rawBytes, basesOf(two));
      await expectArrived('web-2', 'c', 'd');

      await world.agents.get('a')!.start();
      const one = await committed(first);
      expect(storedBytes(basesOf(one))).toBe(0);
      await expectArrived('web-1', 'a', 'b');
      expect(readdirSync(world.imagesOf('b')).filter((name) => name.endsWith('.qcow2'))).toHaveLength(3);
      rmSync(clockFolder, { recursive: true });
    });
  },
);
