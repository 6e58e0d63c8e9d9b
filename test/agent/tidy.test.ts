import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../adapters/system/clock.ts';
import { systemFiles } from '../../adapters/system/files.ts';
import { systemProcesses } from '../../adapters/system/processes.ts';
import { systemRandom } from '../../adapters/system/random.ts';
import { openState } from '../../agent/daemon/state.ts';
import { openChain } from '../../agent/disk/chain.ts';
import { createQcow2 } from '../../agent/disk/writer.ts';
import type { ArrivedLayer } from '../../agent/images/arrivals.ts';
import { partialPath } from '../../agent/images/arrivals.ts';
import { Journals } from '../../agent/journal/journals.ts';
import { Tidy } from '../../agent/tasks/tidy.ts';
import { limits } from '../../core/limits.ts';
import type { MigrationState } from '../../core/migration.ts';
import { coded, eachFolder, filesIn, keptLog, scripted } from './support.ts';

const WORLD = { files: systemFiles, processes: systemProcesses, random: systemRandom };

const folder = eachFolder();
const [FIRST, SECOND] = [`m${'1'.repeat(20)}`, `m${'2'.repeat(20)}`];
const never = new AbortController().signal;

/** How the migrations are by now; unknown ones have no state. */
let states: Record<string, MigrationState>;
let settled: number;
let createdMs: number;
beforeEach(() => {
  states = { [FIRST]: 'seeding', [SECOND]: 'seeding' };
  settled = 0;
  createdMs = systemClock.nowMs();
});

const open = () => openState(WORLD, folder.path(), folder.at('.state'));
type State = Awaited<ReturnType<typeof open>>;

/** An empty image; with `over`, on that one. */
async function makeImage(path: string, over?: string): Promise<void> {
  const chain = over === undefined ? undefined : await openChain(over, { imageFolder: folder.path() });
  const backing =
    chain === undefined
      ? {}
      : { backing: { name: basename(over!), format: 'qcow2', chain: chain.layers.at(-1)! } as const };
  const shape = { virtualBytes: 65_536, clusterBytes: 65_536, version: 3 } as const;
  await (await createQcow2(path, { ...shape, ...backing })).finish();
  await chain?.close();
}

/** A base layer of the first migration that was read back. */
async function arrive({ arrivals }: State, name: string, below?: { path: string; layerId: string }) {
  const reserved = await arrivals.reserve(name, FIRST);
  const layerId = name.slice(0, 1).repeat(64).replaceAll('o', '0').replaceAll('w', '1');
  await makeImage(partialPath(reserved), below?.path);
  const layer: ArrivedLayer = {
    layerId,
    chunkBytes: 65_536,
    role: 'base',
    kind: 'os',
    name,
    parent: below?.layerId ?? null,
    below: below?.path ?? null,
    virtualBytes: 65_536,
    dataBytes: 0,
    container: { format: 'qcow2', cluster_bytes: 65_536, version: 3 },
    migration: FIRST,
  };
  return arrivals.arrived(reserved, layer);
}

/** A base layer that the first migration brings. */
async function bring(state: State, name: string, below?: { path: string; layerId: string }) {
  const arrived = await arrive(state, name, below);
  await state.brought.note(arrived);
  await state.arrivals.place(arrived);
  return { path: arrived.path, layerId: arrived.layer.layerId };
}

async function settle(state: State): Promise<string[]> {
  const api = scripted((_, call) => {
    const { migration } = (call as { params: { migration: string } }).params;
    if (states[migration] === undefined) throw coded('MIGRATION_UNKNOWN');
    return { state: states[migration], created_ms: createdMs, vms: [] };
  });
  const log = keptLog();
  const journals = new Journals(folder.at('.state', 'journal'), { files: systemFiles, clock: systemClock, log });
  await new Tidy(
    { ...state, api, clock: systemClock, journals, log },
    { count: () => 0, has: () => false },
    () => settled++,
  ).run(never);
  return filesIn(folder.path());
}

describe('base layers that a migration brought', () => {
  it('are nobody’s to count on as long as it runs, and then stay', async () => {
    const state = await open();
    const { layerId } = await bring(state, 'os.qcow2');
    expect(await settle(state)).toEqual(['os.qcow2']);
    expect([state.brought.has(layerId), settled]).toEqual([true, 0]);
    states[FIRST] = 'failed';
    await settle(state);
    expect([state.brought.has(layerId), settled], 'it may be resumed').toEqual([true, 0]);
    createdMs -= limits.resume_seconds_max * 1000 + 1;
    expect(await settle(await open())).toEqual(['os.qcow2']);
    expect([(await open()).brought.has(layerId), settled]).toEqual([false, 1]);
  });

  it('go if it was aborted, those on top first, even after a crash', async () => {
    const os = await bring(await open(), 'os.qcow2');
    await bring(await open(), 'we.qcow2', os);
    states[FIRST] = 'aborted';
    const state = await open();
    expect(await settle(state)).toEqual([]);
    expect([state.brought.all(), settled]).toEqual([[], 0]);
  });

  it('go if it was aborted, though a crash came before it was noted who brought them', async () => {
    await arrive(await open(), 'os.qcow2');
    expect(await settle(await open())).toEqual(['os.qcow2']);
    states[FIRST] = 'aborted';
    const state = await open();
    expect(await settle(state)).toEqual([]);
    expect([state.brought.all(), state.arrivals.unplaced()]).toEqual([[], []]);
  });

  it('stay as long as one that has arrived lies on them, though it has no name yet', async () => {
    const state = await open();
    const os = await bring(state, 'os.qcow2');
    const over = await arrive(state, 'we.qcow2', os);
    const [noted] = state.brought.all();
    expect(await state.brought.takeBack(noted!)).toBe(false);
    await state.arrivals.drop(over);
    expect(await state.brought.takeBack(noted!)).toBe(true);
  });

  it('stay if another migration found them here and ended otherwise', async () => {
    const state = await open();
    const { layerId } = await bring(state, 'os.qcow2');
    await state.brought.share(layerId, SECOND);
    states[FIRST] = 'aborted';
    expect(await settle(state)).toEqual(['os.qcow2']);
    expect(state.brought.has(layerId)).toBe(true);
    states[SECOND] = 'committed';
    expect(await settle(state)).toEqual(['os.qcow2']);
    expect(state.brought.has(layerId)).toBe(false);
  });

  it('stay if an image needs them by now', async () => {
    const state = await open();
    const { path } = await bring(state, 'os.qcow2');
    await makeImage(folder.at('mine.qcow2'), path);
    states[FIRST] = 'aborted';
    expect(await settle(state)).toEqual(['mine.qcow2', 'os.qcow2']);
    expect([state.brought.all(), settled]).toEqual([[], 1]);
  });

  it('stay if somebody has written to them, or nobody knows the migration', async () => {
    const state = await open();
    const { path } = await bring(state, 'os.qcow2');
    writeFileSync(path, 'mine now');
    states[FIRST] = 'aborted';
    expect(await settle(state)).toEqual(['os.qcow2']);
    await bring(state, 'we.qcow2');
    states = {};
    expect(await settle(state)).toEqual(['os.qcow2', 'we.qcow2']);
    expect(state.brought.all()).toEqual([]);
  });
});

describe('journals of pushes', () => {
  it('go once their migration is over, and stay as long as it may be resumed', async () => {
    const state = await open();
    const at = (migration: string) => folder.at('.state', 'journal', `${migration}.${'a'.repeat(32)}.journal`);
    mkdirSync(folder.at('.state', 'journal'), { recursive: true });
    for (const migration of [FIRST, SECOND]) writeFileSync(at(migration), 'what was sent');
    await settle(state);
    states = { [FIRST]: 'committed', [SECOND]: 'failed' };
    await settle(state);
    expect([existsSync(at(FIRST)), existsSync(at(SECOND))]).toEqual([false, true]);
    states[SECOND] = 'aborted';
    await settle(state);
    expect(existsSync(at(SECOND))).toBe(false);
  });
});
