import { beforeEach, describe, expect, it } from 'vitest';
import { isHook, sha256, toHex } from '../../core/fingerprint.ts';
import { decodeAnswer, encodeQuestion } from '../../core/format/batch.ts';
import { limits } from '../../core/limits.ts';
import { createEnrolledCloud, post, type TestCloud } from './support/cloud.ts';
import { type MadePack, makePack, putPack } from './support/packs.ts';
import { seed } from './support/samples.ts';

let cloud: TestCloud;
let task: string;

async function setUp(sampling: number) {
  cloud = await createEnrolledCloud({ sampling });
  ({ id: task } = await post(cloud, 'a/h1', seed(), { what: 'a.h1' }));
}
beforeEach(() => setUp(1));

function question(fingerprints: readonly Uint8Array[]) {
  return encodeQuestion(Buffer.concat(fingerprints));
}

async function ask(fingerprints: readonly Uint8Array[], caller = 'h1') {
  const asked = { query: { task, attempt: 1 }, body: question(fingerprints) };
  return decodeAnswer(await cloud.call('checkFingerprints', caller, asked));
}

async function announce(...packs: MadePack[]) {
  for (const pack of packs) await putPack(cloud.objects, pack);
  const body = { attempt: 1, packs: packs.map((each) => each.pack) };
  await cloud.call('announcePacks', 'h1', { params: { task }, body });
}

describe('a batch', () => {
  it('is answered chunk by chunk with where each lies', async () => {
    const pack = makePack(0, 100, 40);
    await announce(pack);
    const stranger = sha256(Buffer.from('never seen'));
    const { answers, frames } = await ask([...pack.fingerprints, stranger]);
    expect(frames.map((frame) => [toHex(frame.pack), frame.rawBytes])).toEqual([
      [pack.pack, 40 * 32],
      [pack.pack, 40 * 32],
      [pack.pack, 20 * 32],
    ]);
    expect(answers[41]).toEqual({ status: 'have', frame: 1, rawOffset: 32 });
    expect(answers[99]).toEqual({ status: 'have', frame: 2, rawOffset: 19 * 32 });
    expect(answers[100]).toEqual({ status: 'missing' });
  });

  it('that holds a fingerprint twice says the same of both', async () => {
    const pack = makePack(0, 3);
    await announce(pack);
    const stranger = sha256(Buffer.from('never seen'));
    const { answers } = await ask([pack.fingerprints[2]!, stranger, pack.fingerprints[2]!, stranger]);
    expect(answers[0]).toEqual(answers[2]);
    expect(answers[1]).toEqual(answers[3]);
    expect(answers[0]?.status).toBe('have');
  });

  it('at a sampling of 8 finds what its hooks’ packs hold, and only those packs', async () => {
    await setUp(8);
    const near = makePack(0, 64);
    const far = makePack(1000, 64);
    await announce(near, far);
    const plain = far.fingerprints.filter((each) => !isHook(each, 8));
    expect(near.fingerprints.some((each) => isHook(each, 8))).toBe(true);
    const { answers } = await ask([...near.fingerprints, ...plain.slice(0, 5)]);
    expect(answers.slice(0, 64).every((each) => each.status === 'have')).toBe(true);
    expect(answers.slice(64).every((each) => each.status === 'missing')).toBe(true);
  });

  it('reads the most named packs when it names more than it may read', async () => {
    const many = Array.from({ length: limits.batch_footers_max + 1 }, (_, at) => makePack(at * 10, at === 0 ? 1 : 2));
    for (const pack of many) await announce(pack);
    const { answers } = await ask(many.flatMap((pack) => pack.fingerprints));
    expect(answers[0]).toEqual({ status: 'missing' });
    expect(answers.slice(1).every((each) => each.status === 'have')).toBe(true);
  });

  it('takes a pack that is gone or another’s for a miss', async () => {
    const gone = makePack(0, 4);
    const corrupt = makePack(100, 4);
    await announce(gone, corrupt);
    await cloud.objects.remove([gone.key, corrupt.key]);
    await cloud.objects.put(corrupt.key, makePack(200, 4).parts);
    const { answers } = await ask([...gone.fingerprints, ...corrupt.fingerprints]);
    expect(answers.every((each) => each.status === 'missing')).toBe(true);
  });

  it('of the most fingerprints takes well under a second of a processor', async () => {
    const packs = Array.from({ length: 16 }, (_, at) => makePack(at * 1024, 1024));
    for (const pack of packs) await announce(pack);
    const fingerprints = packs.flatMap((pack) => pack.fingerprints);
    expect(fingerprints).toHaveLength(limits.batch_fingerprints_max);
    const before = process.cpuUsage();
    const { answers } = await ask(fingerprints);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(1000);
    expect(answers.every((each) => each.status === 'have')).toBe(true);
  });

  it('is refused if it is not one', async () => {
    const fine = question([sha256(Buffer.from('x'))]);
    const cases: [string, Buffer, string][] = [
      ['cut short', fine.subarray(0, -1), 'FORMAT_REFUSED'],
      ['too long', Buffer.concat([fine, Buffer.alloc(1)]), 'FORMAT_REFUSED'],
      ['empty', encodeQuestion(Buffer.alloc(0)), 'FORMAT_REFUSED'],
      ['of zeros', question([sha256(Buffer.from('x')), Buffer.alloc(32)]), 'FORMAT_REFUSED'],
      ['of another version', Buffer.concat([Buffer.from('LMFQ\x02'), fine.subarray(5)]), 'FORMAT_VERSION'],
      ['over the bound', encodeQuestion(Buffer.alloc(32 * (limits.batch_fingerprints_max + 1), 1)), 'FORMAT_REFUSED'],
    ];
    for (const [what, body, code] of cases) {
      const told = await cloud.refused('checkFingerprints', 'h1', { query: { task, attempt: 1 }, body });
      expect(told, what).toMatchObject({ code, status: 400 });
    }
  });

  it('is for the task’s own host and attempt', async () => {
    const body = question([sha256(Buffer.from('x'))]);
    const asked = { query: { task, attempt: 1 }, body };
    expect((await cloud.refused('checkFingerprints', 'h2', asked)).code).toBe('CALLER_REFUSED');
    const stale = { query: { task, attempt: 2 }, body };
    expect((await cloud.refused('checkFingerprints', 'h1', stale)).code).toBe('ATTEMPT_STALE');
    await cloud.tasks.cancel(task);
    expect((await cloud.refused('checkFingerprints', 'h1', asked)).code).toBe('ABORTED');
  });
});

describe('a claim', () => {
  const batch = [sha256(Buffer.from('new'))];

  it('makes the same batch of another host wait until it ends', async () => {
    const other = await post(cloud, 'b/h2', seed(), { what: 'b.h2', token: 'other' });
    expect((await ask(batch)).answers).toEqual([{ status: 'missing' }]);
    expect((await ask(batch)).answers).toEqual([{ status: 'missing' }]);
    const asked = { query: { task: other.id, attempt: 1 }, body: question(batch) };
    const waiting = decodeAnswer(await cloud.call('checkFingerprints', 'h2', asked));
    expect(waiting.answers).toEqual([{ status: 'claimed' }]);
    expect(waiting.claimedUntilMs).toBe(cloud.clock.nowMs() + limits.claim_ms);

    await cloud.clock.advance(limits.claim_ms);
    const free = decodeAnswer(await cloud.call('checkFingerprints', 'h2', asked));
    expect(free).toMatchObject({ answers: [{ status: 'missing' }], claimedUntilMs: 0 });
  });

  it('does not outlive its migration', async () => {
    const ended = `m${'e'.repeat(20)}`;
    const other = { owner: `${ended}/a/h9`, untilMs: cloud.clock.nowMs() + limits.claim_ms };
    await cloud.index.claim('default', toHex(sha256(Buffer.concat(batch))), other, cloud.clock.nowMs());
    await cloud.migrations.create({
      id: ended,
      namespace: 'default',
      requestId: 'request-1',
      vmNames: ['web-9'],
      to: 'b/h2',
      policy: 'auto',
      chunkBytes: 65_536,
      run: 1,
      state: 'moving',
      createdMs: 1,
      updatedMs: 1,
    });
    expect((await ask(batch)).answers).toEqual([{ status: 'claimed' }]);
    await cloud.migrations.update({ id: ended, run: 1 }, ['moving'], { state: 'aborted' });
    expect((await ask(batch)).answers).toEqual([{ status: 'missing' }]);
  });

  it('ends when the packs are announced', async () => {
    await ask(batch);
    const body = { attempt: 1, packs: [], release: toHex(sha256(Buffer.concat(batch))) };
    await cloud.call('announcePacks', 'h1', { params: { task }, body });
    const wanted = { owner: 'another', untilMs: cloud.clock.nowMs() + 1 };
    const standing = await cloud.index.claim('default', body.release, wanted, cloud.clock.nowMs());
    expect(standing.owner).toBe('another');
  });

  it('is nobody’s when nothing is missing', async () => {
    const pack = makePack(0, 2);
    await announce(pack);
    await ask(pack.fingerprints);
    const digest = toHex(sha256(Buffer.concat(pack.fingerprints)));
    const standing = await cloud.index.claim('default', digest, { owner: 'x', untilMs: 1 }, 0);
    expect(standing.owner).toBe('x');
  });
});
