import { copyFileSync, linkSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientOf } from '../../bin/connection.ts';
import type { LayerView, MigrationView } from '../../core/api/views.ts';
import { expectedTable, type Row } from '../gang/expected.ts';
import { file, GANG, makeGang } from '../gang/images.ts';
import type { Range } from '../gang/pack.ts';
import { type Layer, readLayer } from '../gang/read-layer.ts';
import { lastLine } from '../kills/trip.ts';
import { World } from '../kills/world.ts';
import { qemuImg } from './command.ts';

/** Six VMs on two hosts move as one, and what was sent of each layer is what their images say that it must be. */
const ENVIRONMENTS = ['pg', 'web', 'mail', 'node'];
/** Head of a request that puts an object: its signature is the most of it. */
const HEAD_BYTES_MAX = 4096;

let folder: string;
const layers = new Map<string, Layer>();
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'layermover-gang-'));
  await makeGang(folder);
  for (const name of new Set(GANG.flatMap((vm) => vm.layers)))
    layers.set(name, await readLayer(path.join(folder, file(name))));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The hosts' image folders: a source has what its VMs consist of, the destination what it is said to have. */
async function begin(world: World, has: readonly string[]): Promise<void> {
  for (const site of ['a', 'b', 'c'] as const) {
    const images = world.imagesOf(site);
    mkdirSync(images);
    const here = GANG.filter(({ host }) => host.startsWith(site)).flatMap((vm) => vm.layers);
    for (const name of new Set(here)) linkSync(path.join(folder, file(name)), path.join(images, file(name)));
    if (site === 'b')
      for (const name of has) copyFileSync(path.join(folder, file(name)), path.join(images, file(name)));
    await world.agent(site).start();
  }
  await world.enrolled();
  for (const name of has) {
    const kind = name === 'os' ? 'os' : 'we';
    const registered = await world.call('layer', 'register', '--kind', kind, file(name), '--host', 'b/h2').ended;
    expect(registered.code, registered.stderr).toBe(0);
  }
}

async function move(world: World): Promise<MigrationView> {
  const names = GANG.map(({ name }) => name);
  const ended = await world.call('migrate', ...names, '--to', 'b/h2', '--policy', 'kind').ended;
  expect(ended.code, ended.stderr).toBe(0);
  const id = String(lastLine(ended).migration);
  return clientOf(world.operator).call('getMigration', { params: { migration: id } });
}

/** Each layer as the migration's report tells it: once, at the VM that it is told at. */
function toldOf({ vms }: MigrationView): Map<string, LayerView> {
  const all = vms.flatMap((vm) => vm.layers).filter(({ shared }) => !shared);
  return new Map(all.map((layer) => [path.basename(layer.name, '.qcow2'), layer]));
}

function expectWithin(bytes: number, [least, most]: Range, what: string): void {
  expect(bytes, what).toBeGreaterThanOrEqual(least);
  expect(bytes, what).toBeLessThanOrEqual(most);
}

function expectRow(name: string, layer: LayerView, row: Row): void {
  expect(layer, name).toMatchObject({
    treatment: row.treatment,
    handled_bytes: row.handledBytes,
    done_bytes: row.handledBytes,
    total_bytes: row.handledBytes,
  });
  expectWithin(layer.deduped_bytes, row.dedupedBytes, `${name}, not sent`);
  expectWithin(layer.local_bytes, row.localBytes, `${name}, taken from what was there`);
  expectWithin(layer.stored_bytes, row.storedBytes, `${name}, stored`);
  expectWithin(layer.wire_bytes, row.wireBytes, `${name}, on the wire`);
  expectWithin(layer.pulled_bytes, row.pulledBytes, `${name}, fetched`);
}

/** What went through the network as packs that the index knows is what the report says of base layers. */
function expectSeen({ front }: World, told: ReadonlyMap<string, LayerView>): void {
  const packs = [...front.putBytes].filter(([key]) => /\/ns\/default\/packs\//.test(key));
  const seen = packs.reduce((all, [, bytes]) => all + bytes, 0);
  const stored = [...told.values()]
    .filter(({ kind }) => kind !== 'ud')
    .reduce((all, each) => all + each.stored_bytes, 0);
  expectWithin(seen, [stored, stored + packs.length * HEAD_BYTES_MAX], 'packs that were seen on their way');
}

const near = (forecast: number, was: number) => Math.abs(forecast / was - 1);
const mid = (rows: Iterable<Row>) =>
  [...rows].reduce((all, { wireBytes }) => all + (wireBytes[0] + wireBytes[1]) / 2, 0);

/** What the gang saves was told before it began: each VM as if there were no others, one after the other, and as one. */
function expectForecast(
  { forecast, vms }: MigrationView,
  table: ReadonlyMap<string, Row>,
  has: readonly string[],
): void {
  const alone = GANG.reduce((all, vm) => all + mid(expectedTable([vm], layers, has).values()), 0);
  const wire = vms.reduce((all, vm) => all + vm.wire_bytes, 0);
  const found = forecast!;
  expect(near(found.wire_bytes, wire), `${found.wire_bytes} were expected, ${wire} were sent`).toBeLessThan(0.15);
  expect(near(found.one_by_one.wire_bytes, wire), 'one by one').toBeLessThan(0.15);
  expect(near(found.each_alone.wire_bytes, alone), `each alone: ${alone}`).toBeLessThan(0.15);
  expect(mid(table.values()) / alone).toBeLessThan(has.length === 0 ? 0.6 : 1);
}

async function expectArrived(world: World): Promise<void> {
  for (const name of layers.keys()) {
    await qemuImg('check', '-q', path.join(world.imagesOf('b'), file(name)));
    await qemuImg('compare', '-q', path.join(folder, file(name)), path.join(world.imagesOf('b'), file(name)));
  }
}

describe('a gang of six VMs on two hosts, to a site that has', () => {
  it.each([
    ['nothing', [], 4],
    ['the operating system', ['os'], 4],
    ['all but one working environment', ['os', 'pg', 'mail', 'node'], 0],
  ] as const)('%s: each layer’s table is what the images say', async (_, has, missed) => {
    const table = expectedTable(GANG, layers, has);
    expect(table.size).toBe(1 + ENVIRONMENTS.length + GANG.length);
    expect([...table.values()].reduce((all, row) => all + row.missedChunks, 0)).toBe(missed);
    const world = await World.open();
    try {
      await begin(world, has);
      const migration = await move(world);
      const told = toldOf(migration);
      expect([...told.keys()].sort()).toEqual([...table.keys()].sort());
      for (const [name, row] of table) expectRow(name, told.get(name)!, row);
      expectSeen(world, told);
      expectForecast(migration, table, has);
      await expectArrived(world);
    } finally {
      await world.close();
    }
  });
});
