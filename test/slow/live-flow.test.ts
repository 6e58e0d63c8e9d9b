import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApiClient } from '../../adapters/api/client.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import { connect } from '../../bin/connection.ts';
import type { PollAnswer, PollRequest, ReportRequest } from '../../core/api/agent.ts';
import type { TaskKind, TaskResult } from '../../core/api/tasks.ts';
import { limits } from '../../core/limits.ts';
import { chain, counts, receipt } from '../functions/support/samples.ts';
import { Stage } from './command.ts';

type Given = PollAnswer['tasks'][number];
/** A look, a read of the tables and a call over HTTP, on a machine that does other things, too. */
const HEARD_MS_MAX = 250;
const WORDS = 20;

/** An agent that moves no bytes: a test says what it does with each task. */
class Actor {
  readonly running = new Map<string, number>();
  readonly api: ApiClient;
  readonly params: { site: string; host: string };

  constructor(api: ApiClient, params: { site: string; host: string }) {
    this.api = api;
    this.params = params;
  }

  async enrol(vms: string[]): Promise<void> {
    await this.api.call('enrolHost', {
      params: this.params,
      body: { version: '1', vms, free_bytes: 1e12, layers: [] },
    });
  }

  async poll(said: Partial<PollRequest> = {}): Promise<PollAnswer> {
    const running = [...this.running].map(([task, attempt]) => ({ task, attempt, progress: [] }));
    const body = { instance: '1'.repeat(16), free_bytes: 1e12, following: [], awaiting: [], running, ...said };
    const answer = await this.api.call('poll', { params: this.params, body });
    for (const { id, attempt } of answer.tasks) this.running.set(id, attempt);
    return answer;
  }

  /** Polls until it is given a task of this kind. */
  async given(kind: TaskKind): Promise<Given> {
    for (;;) {
      const { tasks } = await this.poll({ wait_ms: limits.poll_wait_ms_max });
      const found = tasks.find(({ input }) => input.kind === kind);
      if (found !== undefined) return found;
    }
  }

  async done({ id: task, attempt }: Given, result: TaskResult): Promise<void> {
    const body: ReportRequest = { attempt, outcome: { status: 'done', result } };
    await this.api.call('reportTask', { params: { task }, body });
    this.running.delete(task);
  }
}

let stage: Stage;
let source: Actor;
let destination: Actor;

beforeAll(async () => {
  stage = await Stage.open();
  const api = await connect(await stage.cloud());
  source = new Actor(api, { site: 'a', host: 'h1' });
  destination = new Actor(api, { site: 'b', host: 'h2' });
  await source.enrol(['web-1']);
  await destination.enrol([]);
});
afterAll(() => stage.close());

it('a live migration runs through a cloud on HTTP, and no poll interval delays its words', async () => {
  const { api } = source;
  const body = { request_id: 'live-flow', vms: ['web-1'], to: 'b/h2', mode: 'live' } as const;
  const { id: migration } = await api.call('createMigration', { body: { ...body, vms: [...body.vms] } });

  const survey = await source.given('survey');
  const layers = chain('web-1')
    .slice(2)
    .map((layer) => ({ ...layer, parent: null }));
  await source.done(survey, { kind: 'survey', vms: [{ name: 'web-1', layers }] });
  const round = await source.given('round');
  const stats = {
    round: 0,
    dirty_bytes: 1e6,
    sent_bytes: 1e6,
    milliseconds: 1000,
    remaining_bytes: 4096,
    guest_write_bytes_per_second: 4096,
    link_bytes_per_second: 1e6,
  };
  await source.done(round, { kind: 'round', stats, streams: [counts('ud:web-1')] });
  const [cutover, follow] = await Promise.all([source.given('cutover'), destination.given('follow')]);
  expect(cutover.input).toMatchObject({ live: { cutover: 'ram', max_downtime_ms: 300 } });

  const delays: number[] = [];
  const vm = { migration, vm: 'web-1' };
  for (let at = 0; at < WORDS; at++) {
    const heard = at === 0 ? {} : { heard: { applied: { 'ud:web-1': `word-${at - 1}` } } };
    const waiting = source.poll({ wait_ms: limits.poll_wait_ms_max, expecting: [{ ...vm, ...heard }] });
    await systemClock.sleep(100);
    const word = { attempt: follow.attempt, applied: { 'ud:web-1': `word-${at}` } };
    await destination.api.call('announceIncoming', { params: { task: follow.id }, body: word });
    const saidMs = systemClock.nowMs();
    expect((await waiting).incoming).toMatchObject([{ ...vm, applied: { 'ud:web-1': `word-${at}` } }]);
    delays.push(systemClock.nowMs() - saidMs);
  }
  delays.sort((a, b) => a - b);
  expect(delays[WORDS / 2], `ms until a word was heard: ${delays.join()}`).toBeLessThan(HEARD_MS_MAX);

  const waiting = source.poll({ wait_ms: limits.poll_wait_ms_max, awaiting: [vm] });
  const settled = destination.poll({ wait_ms: limits.poll_wait_ms_max, settling: [vm] });
  const proof = (side: 'source' | 'destination') => ({ ...receipt(side, 'web-1', 'web-1', migration) });
  await api.call('storeReceipt', {
    params: { task: follow.id },
    body: { attempt: follow.attempt, receipt: proof('destination') },
  });
  expect((await waiting).receipts).toHaveLength(1);
  const commit = { task: cutover.id, attempt: cutover.attempt, vm: 'web-1', epoch: 0, receipt: proof('source') };
  await api.call('commitMigration', { params: { migration }, body: commit });
  expect((await settled).settled).toEqual([{ ...vm, state: 'committed' }]);
  await api.call('announceRunning', { params: { task: follow.id }, body: {} });
  const late = api.call('reclaim', { params: { migration }, body: { vm: 'web-1', task: cutover.id, epoch: 0 } });
  await expect(late).rejects.toMatchObject({ code: 'VM_RUNS_ELSEWHERE' });
  const blackout = { total_ms: 90, storage_ms: 60, last_bytes: 4096 };
  await source.done(cutover, { kind: 'cutover', streams: [], blackout });
  await destination.done(follow, { kind: 'follow', streams: [] });
  const view = () => api.call('getMigration', { params: { migration } });
  await expect.poll(async () => (await view()).state, { timeout: 10_000 }).toBe('committed');
  expect(await view()).toMatchObject({ vms: [{ equal: true, live: { rounds: [stats], blackout } }] });
});
