import { beforeEach, describe, expect, it } from 'vitest';
import type { MigrationView } from '../../core/api/views.ts';
import { type ObjectKind, objectKey } from '../../core/format/keys.ts';
import { expectEqual, twoHosts } from '../agent/hosts.ts';
import { migrate } from '../agent/play.ts';
import { filesIn, type LayerSpec, writeChain, writeLayer } from '../agent/support.ts';
import { damage, expectKept, flipped, idsOf, read, rebuild, SCOPE } from './support.ts';

/** Two VMs over the same two base layers: the first brings these into the store, the second wants them at a third host. */
const hosts = twoHosts();
const KiB = 1024;
const MiB = 1024 * KiB;
const BASES: LayerSpec[] = [
  { name: 'os.qcow2', patches: [{ at: 0, length: MiB, seed: 1 }] },
  { name: 'we.qcow2', patches: [{ at: 64 * KiB, length: 640 * KiB, seed: 3 }] },
];

beforeEach(async () => {
  const [, we] = await writeChain(hosts.at('a'), BASES);
  for (const [name, seed] of [
    ['web-1.qcow2', 7],
    ['web-2.qcow2', 8],
  ] as const) {
    await writeLayer(hosts.at('a'), { name, patches: [{ at: 2 * MiB, length: 256 * KiB, seed }] }, we);
  }
  for (const site of ['a', 'b', 'c'] as const) await hosts.start(site);
  expect((await move('web-1', 'b')).state).toBe('committed');
  await expectKept(ports());
});

const ports = () => hosts.cloud().ports;
const objects = () => ports().objects;

async function move(vm: string, to: 'b' | 'c'): Promise<MigrationView> {
  const { ended } = await migrate(hosts.cloud(), { vms: [vm], to: `${to}/h1`, policy: 'kind', chunk_bytes: 16 * KiB });
  return ended;
}

/** The base layers of the one VM of a migration. */
const basesOf = ({ vms }: MigrationView) => vms[0]!.layers.slice(0, -1);
const sum = (layers: readonly { stored_bytes: number }[]) => layers.reduce((all, each) => all + each.stored_bytes, 0);

async function expectArrived(moved: MigrationView): Promise<void> {
  expect(moved.state, JSON.stringify(moved.error)).toBe('committed');
  await expectEqual(hosts.at('a', 'web-2.qcow2'), hosts.at('c', 'web-2.qcow2'));
}

/** All rows and records go, as when tables are lost. */
async function loseTables(): Promise<void> {
  const rows = await ports().index.rows('default', 0, 1);
  for (const [hook, pack] of rows) await ports().index.remove('default', [hook], pack);
  for (const { layerId } of await ports().layers.list('default', 99)) await ports().layers.erase('default', layerId);
}

describe('a rebuild', () => {
  it('of a sound store changes nothing', async () => {
    const rows = await ports().index.rows('default', 0, 1);
    for (const check of [false, true]) {
      const { counts, damaged } = await rebuild(hosts.cloud().api, check);
      expect(damaged).toEqual([]);
      expect(counts).toMatchObject({ rows_written: 0, rows_removed: 0, objects_removed: 0, placements_rebuilt: 0 });
      expect(counts).toMatchObject({ layers_complete: 2, layers_incomplete: 0 });
      expect(counts.packs_read).toBe((await idsOf(objects(), 'packs')).length);
      expect(counts.bytes_checked).toBe(check ? MiB + 640 * KiB : 0);
    }
    expect(await ports().index.rows('default', 0, 1)).toEqual(rows);
    expect((await ports().layers.list('default', 9)).length).toBe(2);
    await expectArrived(await move('web-2', 'c'));
  });

  it('makes lost rows again: the same base sends nothing to a third host', async () => {
    const rows = await ports().index.rows('default', 0, 1);
    await loseTables();
    const { counts } = await rebuild(hosts.cloud().api, false);
    expect(counts).toMatchObject({ rows_written: rows.size, layers_complete: 2 });
    expect(await ports().index.rows('default', 0, 1)).toEqual(rows);
    const moved = await move('web-2', 'c');
    await expectArrived(moved);
    expect(basesOf(moved).map((layer) => [layer.treatment, layer.stored_bytes])).toEqual([
      ['dedup', 0],
      ['dedup', 0],
    ]);
    expect((await ports().layers.list('default', 9)).length, 'and the layers are known again').toBe(2);
  });

  it('makes lost placements again, byte for byte what reads the same', async () => {
    const ids = await idsOf(objects(), 'placements');
    await objects().remove(ids.map((id) => objectKey(SCOPE, 'placements', id)));
    const { counts, damaged } = await rebuild(hosts.cloud().api, false);
    expect(counts.placements_rebuilt).toBe(ids.length);
    expect(damaged).toEqual([]);
    await expectKept(ports());
    const moved = await move('web-2', 'c');
    await expectArrived(moved);
    expect(sum(basesOf(moved))).toBe(0);
  });
});

describe('what is damaged', () => {
  /** The byte that is hit, from the object's length; and whether a destination needs it. */
  const places: [string, ObjectKind, (length: number) => number, boolean][] = [
    ['a pack frame', 'packs', (length) => length >> 1, true],
    ['a pack footer', 'packs', (length) => length - 40, false],
    ['a segment', 'segments', (length) => length >> 1, true],
    ['a root', 'layers', (length) => length >> 1, true],
    ['a placement', 'placements', (length) => length >> 1, true],
  ];

  it.each(places)(
    '%s: is named, taken out, and only what is missing is sent again',
    async (_, kind, where, isNeeded) => {
      const before = filesIn(hosts.at('a'));
      for (const id of await idsOf(objects(), kind)) {
        await damage(objects(), objectKey(SCOPE, kind, id), (bytes) => flipped(bytes, 8 * where(bytes.length)));
      }
      if (isNeeded) {
        const failed = await move('web-2', 'c');
        expect(failed.state).toBe('failed');
        expect(failed.error?.code).toMatch(/^(FRAME|PLACEMENT|MANIFEST)_CORRUPT$/);
        expect(failed.error?.message).toContain('os.qcow2');
        expect(failed.error?.hint).toContain('layermover index rebuild --check');
        expect(failed.error?.hint).toContain('layermover resume');
        expect(filesIn(hosts.at('c'))).toEqual([]);
      }

      const { damaged } = await rebuild(hosts.cloud().api, true);
      expect(damaged.length, JSON.stringify(damaged)).toBeGreaterThan(kind === 'placements' ? -1 : 0);
      await expectKept(ports());
      const again = await rebuild(hosts.cloud().api, true);
      expect([again.damaged, again.counts.objects_removed, again.counts.rows_removed]).toEqual([[], 0, 0]);

      const moved = await move('web-2', 'c');
      await expectArrived(moved);
      const sent = sum(basesOf(moved));
      if (kind === 'packs') expect(sent).toBeGreaterThan(MiB);
      else expect(sent).toBe(0);
      expect(filesIn(hosts.at('a'))).toEqual(before);
      await expectKept(ports());
    },
  );

  it('one pack of two: the other is not sent again', async () => {
    const [first, second] = await idsOf(objects(), 'packs');
    expect(second).toBeDefined();
    await damage(objects(), objectKey(SCOPE, 'packs', first!), (bytes) => flipped(bytes, 4000));
    const { damaged, counts } = await rebuild(hosts.cloud().api, true);
    expect(damaged.filter((each) => each.kind === 'pack')).toEqual([
      { kind: 'pack', id: first, what: expect.stringContaining('checksum') },
    ]);
    expect(counts.layers_complete + counts.layers_incomplete).toBe(2);
    expect(await idsOf(objects(), 'packs')).toEqual([second]);
    const lost = (await read(objects(), 'packs', second!)).length;
    const moved = await move('web-2', 'c');
    await expectArrived(moved);
    expect(await idsOf(objects(), 'packs')).toEqual([first, second].sort());
    expect(sum(basesOf(moved))).toBe((await read(objects(), 'packs', first!)).length);
    expect(lost).toBeGreaterThan(0);
  });

  it('is found without --check where the footer is hit, and with it alone where a frame is', async () => {
    const [pack] = await idsOf(objects(), 'packs');
    await damage(objects(), objectKey(SCOPE, 'packs', pack!), (bytes) => flipped(bytes, 4000));
    expect((await rebuild(hosts.cloud().api, false)).damaged).toEqual([]);
    expect((await rebuild(hosts.cloud().api, true)).damaged).not.toEqual([]);
  });
});
