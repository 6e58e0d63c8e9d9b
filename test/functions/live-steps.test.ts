import { beforeEach, describe, expect, it } from 'vitest';
import type { ReportRequest } from '../../core/api/agent.ts';
import type { RoundStats } from '../../core/api/tasks.ts';
import { limits } from '../../core/limits.ts';
import { MIGRATION } from './support/cloud.ts';
import { counts, id } from './support/samples.ts';
import { createStepped, type Stepped } from './support/steps.ts';

const LIVE = { cutover: 'ram', maxDowntimeMs: 300, onNoConvergence: 'throttle' } as const;
const MB = 1_000_000;

let s: Stepped;
beforeEach(async () => {
  s = await createStepped({ live: LIVE, maxRateBytesPerSecond: 5 * MB });
  await s.planned();
});

function stats(round: number, remaining: number, dirty = 100 * MB): RoundStats {
  const rates = { guest_write_bytes_per_second: MB, link_bytes_per_second: 10 * MB };
  const sizes = { dirty_bytes: dirty, sent_bytes: dirty, remaining_bytes: remaining };
  return { round, ...sizes, ...rates, milliseconds: Math.round(dirty / 10_000) };
}

const decide = (round: number) => s.step({ step: 'decide', vm: 'web-1', round });

/** Lets the workflow ask for a round, and the agent do it. */
async function doRound(remaining: number, dirty?: number, token = `round-${Math.random()}`) {
  const outcome = s.cloud.workflow.wait(token);
  const { task } = (await s.step({ step: 'dispatch', kind: 'round', what: 'web-1', token })) as { task: string };
  const { input, attempt } = (await s.cloud.tasks.find(task))!;
  if (input.kind !== 'round') throw new Error('no round');
  await s.cloud.tasks.take(task, '1'.repeat(16));
  const told = stats(input.round, remaining, dirty);
  const report: ReportRequest = {
    attempt,
    outcome: { status: 'done', result: { kind: 'round', stats: told, streams: [counts('ud:web-1')] } },
  };
  await s.cloud.call('reportTask', 'h1', { params: { task }, body: report });
  await outcome;
  return { task, input, report };
}

describe('the rounds of a running VM', () => {
  it('begin with all of its top layer, which goes direct whatever the policy', async () => {
    s = await createStepped({ live: LIVE, policy: 'dedup' });
    await s.planned();
    expect((await s.vmOf('web-1'))?.layers?.[2]).toMatchObject({ treatment: 'direct', stored: false });
    expect(await decide(0)).toEqual({ decision: 'round', round: 1 });
    const { input } = await doRound(0);
    expect(input).toMatchObject({ kind: 'round', round: 0, epoch: 0, chain: { vm: 'web-1' } });
    expect(input).not.toHaveProperty('throttle_bytes_per_second');
  });

  it('are stored with their VM and lead to its cutover when little is left', async () => {
    await decide(0);
    const { input } = await doRound(50 * MB);
    expect(input).toMatchObject({ max_rate_bytes_per_second: 5 * MB });
    expect(await decide(1)).toEqual({ decision: 'round', round: 2 });
    await doRound(MB, 50 * MB);
    expect(await decide(2)).toEqual({ decision: 'cutover', round: 3 });
    expect((await s.vmOf('web-1'))?.rounds).toEqual([stats(0, 50 * MB), stats(1, MB, 50 * MB)]);
    expect(await s.cloud.migrations.streams(MIGRATION)).toMatchObject([{ stream: 'ud:web-1', side: 'source' }]);
    const { task } = (await s.step({ step: 'dispatch', kind: 'cutover', what: 'web-1', token: 'c' })) as {
      task: string;
    };
    expect((await s.cloud.tasks.find(task))?.input).toMatchObject({
      live: { cutover: 'ram', max_downtime_ms: 300 },
      max_rate_bytes_per_second: 5 * MB,
    });
  });

  it('are decided on alike when the step runs again', async () => {
    await decide(0);
    await doRound(90 * MB);
    const first = await decide(1);
    expect(await decide(1)).toEqual(first);
    expect((await s.vmOf('web-1'))?.decided).toMatchObject({ round: 1 });
  });

  it('whose report is repeated count once', async () => {
    await decide(0);
    const { task, report } = await doRound(90 * MB);
    await s.cloud.call('reportTask', 'h1', { params: { task }, body: report });
    expect((await s.vmOf('web-1'))?.rounds).toHaveLength(1);
  });

  it('are refused if they tell of another round', async () => {
    await decide(0);
    const { task } = (await s.step({ step: 'dispatch', kind: 'round', what: 'web-1', token: 't' })) as { task: string };
    await s.cloud.tasks.take(task, '1'.repeat(16));
    const outcome = { status: 'done', result: { kind: 'round', stats: stats(7, 0), streams: [] } };
    const told = await s.cloud.refused('reportTask', 'h1', { params: { task }, body: { attempt: 1, outcome } });
    expect(told.code).toBe('BODY_INVALID');
  });

  it('that don’t help slow the guest down, in the cutover, too', async () => {
    await decide(0);
    for (let round = 0; round < 2; round++) {
      await doRound(100 * MB);
      await decide(round + 1);
    }
    const { input } = await doRound(100 * MB);
    expect(input).toMatchObject({ throttle_bytes_per_second: 5 * MB });
    expect((await s.vmOf('web-1'))?.rounds?.at(-1)).toMatchObject({ throttleBytesPerSecond: 5 * MB });
    await s.step({ step: 'dispatch', kind: 'cutover', what: 'web-1', token: 'c' });
    const found = await s.cloud.tasks.find(`${MIGRATION}.cutover.web-1`);
    expect(found?.input).toMatchObject({ live: { throttle_bytes_per_second: 5 * MB } });
  });

  it('that don’t help end the VM’s move if the user wishes so', async () => {
    s = await createStepped({ live: { ...LIVE, onNoConvergence: 'abort' } });
    await s.planned();
    await decide(0);
    for (let round = 0; round < 2; round++) {
      await doRound(100 * MB);
      if (round === 0) await decide(1);
    }
    expect(await s.fails({ step: 'decide', vm: 'web-1', round: 2 })).toBe('NO_CONVERGENCE');
    expect((await s.vmOf('web-1'))?.decided).toMatchObject({ predictedMs: expect.any(Number) });
  });

  it('are no more than the bound', async () => {
    await decide(0);
    let said: unknown = { decision: 'round' };
    let rounds = 0;
    for (let left = 2_000 * MB; (said as { decision: string }).decision === 'round'; left *= 0.88) {
      await doRound(Math.round(left), Math.round(left / 0.88));
      rounds += 1;
      said = await decide(rounds);
    }
    expect(rounds).toBe(limits.rounds_max);
    expect(said).toMatchObject({ decision: 'cutover' });
  });
});

describe('what agents hear of a live migration', () => {
  it('is in each of their tasks', async () => {
    await s.step({ step: 'dispatch', kind: 'survey', what: 'a/h1', token: 's' });
    expect((await s.cloud.tasks.find(`${MIGRATION}.survey.a.h1`))?.input).toMatchObject({ live: true });
    await s.step({ step: 'dispatch', kind: 'follow', what: 'web-1', token: 'f' });
    const follow = (await s.cloud.tasks.find(`${MIGRATION}.follow.web-1`))?.input;
    expect(follow).toMatchObject({ live: { cutover: 'ram', max_downtime_ms: 300 } });
    await s.step({ step: 'dispatch', kind: 'seed', what: 'a/h1', token: 'd' });
    const seed = (await s.cloud.tasks.find(`${MIGRATION}.seed.a.h1`))?.input;
    expect(seed).toMatchObject({ max_rate_bytes_per_second: 5 * MB });
  });

  it('lets the source of a round store what it pushes, and tell of it', async () => {
    await decide(0);
    const { task } = (await s.step({ step: 'dispatch', kind: 'round', what: 'web-1', token: 't' })) as { task: string };
    const body = { attempt: 1, stream: 'ud:web-1', sequence: 0, segments: [{ index: 0, id: id('x') }] };
    await s.cloud.call('commitRound', 'h1', { params: { task }, body });
    expect(await s.cloud.migrations.rounds(MIGRATION, 'ud:web-1', 9)).toMatchObject([
      { cursor: '0001.0000.000001.00000000' },
    ]);
    expect(await s.cloud.call('grant', 'h1', { params: { task }, body: { attempt: 1 } })).toBeDefined();
  });
});
