import { closeSync, copyFileSync, openSync, renameSync, statSync, utimesSync, writeSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MigrationView } from '../../core/api/views.ts';
import { geometryOf } from '../../core/chunk.ts';
import { NO_DIGEST, sha256, toHex } from '../../core/fingerprint.ts';
import { type ObjectKind, objectKey } from '../../core/format/keys.ts';
import { encodePlacement } from '../../core/format/placement.ts';
import { encodeRoot } from '../../core/format/root.ts';
import { encodeSegment, Segment } from '../../core/format/segment.ts';
import { expectEqual, twoHosts } from '../agent/hosts.ts';
import { migrate } from '../agent/play.ts';
import { DISK_BYTES, filesIn, writeChain, writeLayer } from '../agent/support.ts';
import { noise } from '../disk/support.ts';
import { counts, surveyed } from '../functions/support/samples.ts';
import { rebuild, SCOPE } from '../rebuild/support.ts';
import { forgedPack, LyingHost } from './lying-host.ts';

/** A host that an operator has let in, and that says what is not so. It costs a migration at the most, and reaches no disk. */
const CHUNK_BYTES = 65_536;
const OS_BYTES = 1024 * 1024;
const hosts = twoHosts();
const objects = () => hosts.cloud().ports.objects;

/** What the operating system on host a holds, as anybody may know it. */
const chunks = Array.from({ length: OS_BYTES / CHUNK_BYTES }, (_, at) =>
  noise(OS_BYTES, 1).subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES),
);
const geometry = geometryOf(DISK_BYTES, CHUNK_BYTES);
function segmentOf(contents: readonly Buffer[]): Buffer {
  const segment = new Segment(DISK_BYTES / CHUNK_BYTES);
  for (const [at, content] of contents.entries()) segment.setData(at, sha256(content));
  return encodeSegment(segment);
}
const segment = segmentOf(chunks);
const root = encodeRoot({ geometry, parent: Buffer.from(NO_DIGEST), segmentIds: sha256(segment) });
const osId = toHex(sha256(root));

beforeEach(async () => {
  const [os] = await writeChain(hosts.at('a'), [{ name: 'os.qcow2', patches: [{ at: 0, length: OS_BYTES, seed: 1 }] }]);
  for (const [name, seed] of [
    ['web-1.qcow2', 7],
    ['web-2.qcow2', 8],
  ] as const)
    await writeLayer(hosts.at('a'), { name, patches: [{ at: 2 * OS_BYTES, length: 4 * CHUNK_BYTES, seed }] }, os);
});

async function move(...vms: string[]): Promise<MigrationView> {
  return (await migrate(hosts.cloud(), { vms, to: 'b/h1', policy: 'kind' })).ended;
}

async function expectMoved(vm = 'web-1'): Promise<MigrationView> {
  const moved = await move(vm);
  expect(moved.state, JSON.stringify(moved.error)).toBe('committed');
  await expectEqual(hosts.at('a', `${vm}.qcow2`), hosts.at('b', `${vm}.qcow2`));
  return moved;
}

/** It failed by that, the VM is where it was, and nothing is left where it was to go. */
async function expectCaught(moved: MigrationView, code: RegExp): Promise<void> {
  expect(moved.state).toBe('failed');
  expect(moved.error?.code, JSON.stringify(moved.error)).toMatch(code);
  // If the source found out, the destination hears of it by its next poll.
  await expect.poll(() => filesIn(hosts.at('b')), { timeout: 10_000 }).toEqual([]);
  const owner = await hosts.cloud().ports.vms.find('default', 'web-1');
  expect(owner?.owner ?? 'a/h1').toBe('a/h1');
}

describe('a wrong chunk', () => {
  it('in a pack that says it is another: whoever relies on it finds out, and it is taken out', async () => {
    await hosts.start('a');
    await hosts.start('b');
    const liar = await LyingHost.enrol(hosts.cloud(), 'c', { vms: ['app-9'] });
    const lying = await migrate(hosts.cloud(), { vms: ['app-9'], to: 'b/h1', policy: 'kind' });
    await liar.survey('app-9', [
      surveyed('os', 'another', null),
      surveyed('ud', 'app-9', surveyed('os', 'another', null).layer_id!),
    ]);
    const seed = await liar.next('seed');
    const forged = forgedPack(chunks.map(sha256), noise(OS_BYTES, 66), CHUNK_BYTES);
    await objects().put(objectKey(SCOPE, 'packs', forged.id), forged.parts);
    await liar.announce(seed, forged.id);
    await liar.fail(seed);
    expect((await lying.ended).state).toBe('failed');

    await expectCaught(await move('web-1'), /^CHUNK_CORRUPT$/);
    const { damaged } = await rebuild(hosts.cloud().api, true);
    expect(damaged).toContainEqual({ kind: 'pack', id: forged.id, what: expect.stringContaining('fingerprint') });
    await expectMoved();
  });
});

describe('a wrong manifest, under the name of the right one', () => {
  const other = noise(OS_BYTES, 66);
  const pack = forgedPack(chunks.map(sha256), other, CHUNK_BYTES);
  const lies: [string, ObjectKind, string, Uint8Array, RegExp][] = [
    [
      'a root of another layer',
      'layers',
      osId,
      encodeRoot({ geometry, parent: Buffer.from(NO_DIGEST), segmentIds: sha256(other) }),
      /^(MANIFEST_CORRUPT|FORMAT_REFUSED)$/,
    ],
    [
      'a segment of other chunks',
      'segments',
      toHex(sha256(segment)),
      segmentOf([...chunks].reverse()),
      /^MANIFEST_CORRUPT$/,
    ],
    [
      'a placement in a pack of other chunks',
      'placements',
      toHex(sha256(segment)),
      encodePlacement({
        frames: [{ scope: 'namespace', pack: Buffer.from(pack.id, 'hex'), ...pack.frame }],
        runs: [{ chunk: 0, count: chunks.length, frame: 0, rawOffset: 0 }],
      }),
      /^CHUNK_CORRUPT$/,
    ],
  ];
  it.each(lies)('%s is found out, and taken out', async (_, kind, id, bytes, code) => {
    await hosts.start('a');
    await hosts.start('b');
    await objects().put(objectKey(SCOPE, 'packs', pack.id), pack.parts);
    await objects().put(objectKey(SCOPE, kind, id), [bytes]);
    await expectCaught(await move('web-1'), code);
    await rebuild(hosts.cloud().api, true);
    await expectMoved();
  });
});

describe('a wrong presence', () => {
  it('at the destination: what it was said to have is missed, told as lost, and sent the next time', async () => {
    await LyingHost.enrol(hosts.cloud(), 'b', { layers: [osId] });
    await hosts.start('a');
    await hosts.start('b');
    const moved = await move('web-1');
    expect(moved.vms[0]!.layers[0]).toMatchObject({ layer_id: osId, treatment: 'skip' });
    await expectCaught(moved, /^LAYER_LOST$/);
    expect((await expectMoved()).vms[0]!.layers[0]).toMatchObject({ treatment: 'dedup' });
  });

  it('at a source of a gang, which sends another layer in its place: nobody’s VM lands on that', async () => {
    await hosts.start('a');
    await hosts.start('b');
    const liar = await LyingHost.enrol(hosts.cloud(), 'c', { vms: ['app-9'] });
    const { ended } = await migrate(hosts.cloud(), { vms: ['app-9', 'web-1'], to: 'b/h1', policy: 'kind' });
    const os = { ...surveyed('os', 'os', null), layer_id: osId, virtual_bytes: DISK_BYTES, data_bytes: OS_BYTES };
    await liar.survey('app-9', [os, surveyed('ud', 'app-9', osId)]);
    const seed = await liar.next('seed');
    const other = noise(OS_BYTES, 66);
    const others = chunks.map((_, at) => other.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES));
    const pack = forgedPack(others.map(sha256), other, CHUNK_BYTES);
    const false_ = segmentOf(others);
    const id = toHex(sha256(false_));
    await objects().put(objectKey(SCOPE, 'packs', pack.id), pack.parts);
    await liar.announce(seed, pack.id);
    const runs = [{ chunk: 0, count: chunks.length, frame: 0, rawOffset: 0 }];
    const frames = [{ scope: 'namespace' as const, pack: Buffer.from(pack.id, 'hex'), ...pack.frame }];
    await objects().put(objectKey(SCOPE, 'placements', id), [encodePlacement({ frames, runs })]);
    await objects().put(objectKey(SCOPE, 'segments', id), [false_]);
    await objects().put(objectKey(SCOPE, 'layers', osId), [root]);
    await liar.commit(seed, { stream: osId, segments: [{ index: 0, id }], layer_id: osId });
    await liar.done(seed, { kind: 'seed', streams: [counts(osId)] });
    await expectCaught(await ended, /^MANIFEST_CORRUPT$/);
    await expectMoved();
  });

  it('of a file that was swapped for another one of the same size and time: nobody’s VM is put on it', async () => {
    await hosts.start('a');
    await hosts.start('b');
    await expectMoved();
    const [held, swapped] = [hosts.at('b', 'os.qcow2'), hosts.at('b', 'swapped')];
    copyFileSync(held, swapped);
    const { atime, mtime, size } = statSync(held);
    const fd = openSync(swapped, 'r+');
    writeSync(fd, Buffer.from([1, 2, 3]), 0, 3, size - 3);
    closeSync(fd);
    utimesSync(swapped, atime, mtime);
    renameSync(swapped, held);
    expect(statSync(held)).toMatchObject({ size, mtime });
    let moved = await move('web-2');
    // The cloud may have heard of it by now, or not yet.
    if (moved.state === 'failed') {
      expect(moved.error?.code).toBe('LAYER_LOST');
      moved = await move('web-2');
    }
    expect(moved).toMatchObject({ state: 'committed', vms: [{ layers: [{ treatment: 'dedup' }, {}] }] });
    await expectEqual(hosts.at('a', 'web-2.qcow2'), hosts.at('b', 'web-2.qcow2'));
  });
});

describe('a wrong report', () => {
  it('of a layer whose last round was left out: its destination does not wait for it', async () => {
    await hosts.start('a');
    await hosts.start('b');
    const { migrations } = hosts.cloud().ports;
    const { appendRound } = migrations;
    migrations.appendRound = async (id, round) => {
      if (round.layerId !== osId) await appendRound(id, round);
    };
    await expectCaught(await move('web-1'), /^LAYER_NOT_SENT$/);
    migrations.appendRound = appendRound;
    await expectMoved();
  });
});
