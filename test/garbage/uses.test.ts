import { beforeEach, describe, expect, it } from 'vitest';
import { createIdleMarks } from '../../adapters/aws/idle-marks.ts';
import type { Table } from '../../adapters/aws/table.ts';
import type { Item } from '../../adapters/aws/table-options.ts';
import { toHex } from '../../core/fingerprint.ts';
import { decodeAnswer, encodeQuestion } from '../../core/format/batch.ts';
import { objectKey } from '../../core/format/keys.ts';
import { encodeSegment, Segment, segmentId } from '../../core/format/segment.ts';
import { limits } from '../../core/limits.ts';
import type { MarkedKind } from '../../core/ports.ts';
import { createEnrolledCloud, post, type TestCloud } from '../functions/support/cloud.ts';
import { makePack, putPack } from '../functions/support/packs.ts';
import { chain, cutover, id, seed } from '../functions/support/samples.ts';

/** Every call by which an agent comes to rely on an object of the namespace. */
let cloud: TestCloud;
let task: string;
beforeEach(async () => {
  cloud = await createEnrolledCloud();
  ({ id: task } = await post(cloud, 'a/h1', seed()));
});

const SINCE = { sinceMs: 1 };
const marksOf = async (kind: MarkedKind, of: string) => (await cloud.idle.find('default', kind, [of])).get(of);
const mark = (kind: MarkedKind, of: string) => cloud.idle.mark('default', kind, of, SINCE.sinceMs);
async function condemn(kind: MarkedKind, of: string): Promise<void> {
  await mark(kind, of);
  await cloud.idle.remove('default', kind, of, SINCE, cloud.clock.nowMs());
}

const LEAVING = { code: 'OBJECT_LEAVING', status: 409 };
const segment = new Segment(4);
segment.setZero(1);
const SEGMENT = toHex(segmentId(segment, encodeSegment(segment)));

describe('a batch of fingerprints', () => {
  const pack = makePack(0, 10);
  const other = makePack(5, 10);
  const ask = async () => {
    const body = encodeQuestion(Buffer.concat(pack.fingerprints));
    return decodeAnswer(await cloud.call('checkFingerprints', 'h1', { query: { task, attempt: 1 }, body }));
  };
  beforeEach(async () => {
    for (const each of [pack, other]) {
      await putPack(cloud.objects, each);
      await cloud.call('announcePacks', 'h1', { params: { task }, body: { attempt: 1, packs: [each.pack] } });
    }
  });

  it('takes the packs that it names into use', async () => {
    await mark('packs', pack.pack);
    expect((await ask()).answers.every(({ status }) => status === 'have')).toBe(true);
    expect(await marksOf('packs', pack.pack)).toBeUndefined();
  });

  it('passes over a pack that is being removed, for another one or for none', async () => {
    await condemn('packs', pack.pack);
    const { answers, frames } = await ask();
    expect(frames.map((frame) => toHex(frame.pack))).not.toContain(pack.pack);
    expect(answers.filter(({ status }) => status === 'missing').length).toBeGreaterThanOrEqual(5);
  });
});

describe.each([
  ['announcePacks', 'packs', makePack(0, 3).pack, { packs: [makePack(0, 3).pack] }],
  ['commitRound', 'segments', SEGMENT, { stream: id('debian'), sequence: 0, segments: [{ index: 0, id: SEGMENT }] }],
  ['commitRound', 'layers', id('debian'), { stream: id('debian'), sequence: 0, segments: [], layer_id: id('debian') }],
  ['recordLayer', 'layers', id('debian'), { layer_id: id('debian'), layer: chain('x')[0], chunk_bytes: 65_536 }],
] as const)('%s takes %s into use', (name, kind, of, said) => {
  const asked = () => ({ params: { task }, body: { attempt: 1, ...said } });

  it('before it relies on them', async () => {
    await putPack(cloud.objects, makePack(0, 3));
    await mark(kind, of);
    // The root of the layer is none: that is refused later.
    if (name === 'recordLayer') await cloud.refused(name, 'h1', asked());
    else await cloud.call(name, 'h1', asked() as never);
    expect(await marksOf(kind, of)).toBeUndefined();
  });

  it('and is refused what is being removed', async () => {
    await putPack(cloud.objects, makePack(0, 3));
    await condemn(kind, of);
    expect(await cloud.refused(name, 'h1', asked())).toMatchObject(LEAVING);
    expect((await cloud.index.rows('default', 0, 1)).size).toBe(0);
  });
});

it('a round of what goes direct asks for no marks: it has a scope of its own', async () => {
  const { id: own } = await post(cloud, 'a/h1', cutover('web-1', 'direct'));
  await condemn('segments', SEGMENT);
  const body = { attempt: 1, stream: 'ud:web-1', sequence: 0, segments: [{ index: 0, id: SEGMENT }] };
  await cloud.call('commitRound', 'h1', { params: { task: own }, body });
});

it('a segment has come back only with its placement', async () => {
  const data = new Segment(4);
  data.setData(0, Buffer.alloc(32, 7));
  const bytes = encodeSegment(data);
  const of = toHex(segmentId(data, bytes));
  await condemn('segments', of);
  await cloud.objects.put(objectKey('ns/default', 'segments', of), [bytes]);
  await cloud.clock.advance(limits.removal_fence_ms);
  const asked = {
    params: { task },
    body: { attempt: 1, stream: id('debian'), sequence: 0, segments: [{ index: 0, id: of }] },
  };
  expect(await cloud.refused('commitRound', 'h1', asked)).toMatchObject(LEAVING);
  await cloud.objects.put(objectKey('ns/default', 'placements', of), [Buffer.from('placement')]);
  await cloud.call('commitRound', 'h1', asked);
});

it('the mark of a removed object expires once nobody can have found it before', async () => {
  const items: Item[] = [];
  const table = { update: async (_: unknown, item: Item) => items.push(item) > 0 } as unknown as Table;
  await createIdleMarks(table).remove('default', 'packs', id('x'), SINCE, 5_000);
  expect(items).toEqual([{ removedMs: 5_000, expires_s: 5 + limits.removal_kept_seconds }]);
});
