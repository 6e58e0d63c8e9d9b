import { describe, expect, it } from 'vitest';
import { createMemoryCloud } from '../../adapters/memory/cloud.ts';
import { createManualClock } from '../../adapters/memory/manual-clock.ts';
import { sha256, toHex } from '../../core/fingerprint.ts';
import { migrationScope, objectKey } from '../../core/format/keys.ts';
import { encodeSegment, Segment, segmentId } from '../../core/format/segment.ts';
import { RUNNING } from '../../core/migration.ts';
import { RECORD } from '../functions/support/steps.ts';
import { Violations } from './judge/violations.ts';
import { watchCloud } from './judge/watch-cloud.ts';

const SCOPE = migrationScope(RECORD.namespace, RECORD.id);

/** A watched cloud with a migration that runs, its end and its next run, and one segment of it. */
async function createJudged(segment: Segment) {
  const violations = new Violations();
  const cloud = watchCloud(createMemoryCloud(createManualClock()), violations, () => undefined);
  const { migrations, objects } = cloud;
  await migrations.create(RECORD);
  const id = toHex(segmentId(segment));
  const key = objectKey(SCOPE, 'segments', id);

  return {
    objects,
    key,
    found: violations.found,
    fail: () => migrations.update(RECORD, RUNNING, { state: 'failed' }),
    resume: () => migrations.update(RECORD, ['failed'], { run: 2, state: 'seeding' }),
    put: () => objects.put(key, [encodeSegment(segment)]),
    commit: () =>
      migrations.appendRound(RECORD.id, { stream: 'a', cursor: '0002.000001.00000000', segments: [{ index: 0, id }] }),
  };
}

function zeros(): Segment {
  const segment = new Segment(8);
  segment.setZero(0);
  return segment;
}

/** What has a placement, too, if all is in order. */
function data(): Segment {
  const segment = new Segment(8);
  segment.setData(0, sha256(Buffer.from('a chunk')));
  return segment;
}

describe('the judge of the store, when a migration failed and is resumed,', () => {
  it('knows what a late agent stored before', async () => {
    const { fail, put, resume, commit, found } = await createJudged(zeros());
    await fail();
    await put();
    await resume();
    await commit();
    expect(found).toEqual([]);
  });

  it('shouts when a round names what a late agent stored and the end removed', async () => {
    const { fail, put, resume, commit, found, objects, key } = await createJudged(zeros());
    await fail();
    await put();
    await objects.remove([key]);
    await resume();
    await commit();
    expect(found).toContainEqual(expect.stringMatching(/^order: a round of a names the absent segment/));
  });

  it('bears what a late agent stores out of order, but not that it is stored so again', async () => {
    const { fail, put, resume, found } = await createJudged(data());
    await fail();
    await put();
    expect(found).toEqual([]);
    await resume();
    await put();
    expect(found).toEqual([expect.stringMatching(/^order: segment .* has no placement/)]);
  });
});
