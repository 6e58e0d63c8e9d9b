import type { PollAnswer } from '../../../core/api/agent.ts';
import type { RoundStats, TaskInput } from '../../../core/api/tasks.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import type { RunningCloud } from './running-workflow.ts';
import { chain, counts, id, receipt } from './samples.ts';

type RoundInput = Extract<TaskInput, { kind: 'round' }>;
type Given = PollAnswer['tasks'][number];

export interface AgentOptions {
  /** Stands in for what the agent does with a task; answers whether it did it all. */
  readonly before?: (task: Given) => Promise<boolean> | boolean;
  /** What a round of a running VM leaves dirty; nothing unless told. */
  readonly leaves?: (round: RoundInput) => number;
}

const POLL_MS = 1000;
/** What it finds when it registers files. */
export const BASES = chain('x').slice(0, 2) as (ReturnType<typeof chain>[number] & { layer_id: string })[];
export const BLACKOUT = { total_ms: 120, storage_ms: 80, last_bytes: 4096 };

/** An agent that moves no bytes: it polls, says what an agent says in each task, and reports. */
export class ScriptedAgent {
  readonly #cloud: RunningCloud;
  readonly #host: 'h1' | 'h2';
  readonly #before: NonNullable<AgentOptions['before']>;
  readonly #leaves: NonNullable<AgentOptions['leaves']>;
  readonly #running = new Map<string, number>();
  /** Kinds of the tasks that it was handed, with their attempts. */
  readonly seen: string[] = [];
  instance = '1'.repeat(16);
  alive = true;

  constructor(cloud: RunningCloud, host: 'h1' | 'h2', { before = () => false, leaves = () => 0 }: AgentOptions = {}) {
    this.#cloud = cloud;
    this.#host = host;
    this.#before = before;
    this.#leaves = leaves;
  }

  get #params() {
    return { site: this.#host === 'h1' ? 'a' : 'b', host: this.#host };
  }

  async start(vms: readonly string[]): Promise<void> {
    const body = { version: '1', vms: [...vms], free_bytes: 1e12, layers: [] };
    await this.#cloud.call('enrolHost', this.#host, { params: this.#params, body });
    this.#tick();
  }

  /** A new run of the agent: what the old one did is forgotten. */
  restart(): void {
    this.#running.clear();
    this.instance = '2'.repeat(16);
    this.alive = true;
  }

  #tick(): void {
    this.#cloud.time.schedule(POLL_MS, () => {
      this.#tick();
      if (this.alive) void this.#poll();
    });
  }

  async #poll(): Promise<void> {
    const running = [...this.#running].map(([task, attempt]) => ({ task, attempt, progress: [] }));
    const body = { instance: this.instance, free_bytes: 1e12, running, following: [], awaiting: [] };
    const answer = await this.#cloud.call('poll', this.#host, { params: this.#params, body });
    for (const task of answer.cancelled) this.#running.delete(task);
    for (const task of answer.tasks) {
      this.#running.set(task.id, task.attempt);
      this.seen.push(`${task.input.kind} ${task.attempt}`);
      void this.#run(task);
    }
  }

  async #run(task: Given): Promise<void> {
    try {
      if (await this.#before(task)) return;
      await this.report(task, { status: 'done', result: await this.#work(task) });
    } catch (error) {
      if (!(error instanceof LayerMoverError)) return;
      await this.report(task, { status: 'failed', error: error.toJSON() });
    }
  }

  async report({ id: task, attempt }: Given, outcome: object): Promise<void> {
    await this.#cloud.call('reportTask', this.#host, { params: { task }, body: { attempt, outcome } as never });
    this.#running.delete(task);
  }

  async #work(task: Given) {
    const { input } = task;
    if (input.kind === 'survey')
      return { kind: input.kind, vms: input.vms.map(({ name }) => ({ name, layers: chain(name) })) };
    if (input.kind === 'register')
      return { kind: input.kind, streams: [counts('file:0')], layers: BASES.map((layer) => ({ ...layer })) };
    const layers = 'chain' in input ? input.chain.layers.slice(-1) : input.layers;
    if (input.kind === 'seed' || input.kind === 'round' || input.kind === 'cutover') await this.#push(task, layers);
    if (input.kind === 'fetch')
      await this.#present(
        task,
        layers.map((layer) => layer.stream),
      );
    if (input.kind === 'follow') await this.#prove(task, input);
    if (input.kind === 'cutover') await this.#commit(task, input);
    const streams = layers.map((layer) => counts(layer.stream));
    if (input.kind === 'round') return { kind: input.kind, streams, stats: this.#stats(input) };
    if (input.kind === 'cutover' && input.live !== undefined) return { kind: input.kind, streams, blackout: BLACKOUT };
    return { kind: input.kind, streams };
  }

  /** Of a round that copied 100 MB in ten seconds. */
  #stats(input: RoundInput): RoundStats {
    const rates = { guest_write_bytes_per_second: 1e6, link_bytes_per_second: 1e7 };
    const sizes = { dirty_bytes: 1e8, sent_bytes: 1e8, remaining_bytes: this.#leaves(input) };
    return { round: input.round, ...sizes, ...rates, milliseconds: 10_000 };
  }

  async #push({ id: task, attempt, input }: Given, layers: readonly { stream: string }[]): Promise<void> {
    for (const { stream } of layers) {
      const last = input.kind === 'round' ? {} : { layer_id: id(stream) };
      const body = { attempt, stream, sequence: 0, segments: [{ index: 0, id: id(stream) }], ...last };
      await this.#cloud.call('commitRound', this.#host, { params: { task }, body });
    }
  }

  async #present({ id: task, attempt }: Given, has: string[]): Promise<void> {
    await this.#cloud.call('announcePresence', this.#host, { params: { task }, body: { attempt, has, lost: [] } });
  }

  async #prove(
    { id: task, attempt }: Given,
    { migration, chain }: Extract<TaskInput, { kind: 'follow' }>,
  ): Promise<void> {
    while ([...this.#running.keys()].some((id) => id.startsWith(`${migration}.fetch.`))) {
      await this.#cloud.clock.sleep(POLL_MS);
      if (!this.#running.has(task)) throw new Error('cancelled');
    }
    const said = receipt('destination', chain.vm, chain.vm, migration);
    await this.#cloud.call('storeReceipt', this.#host, { params: { task }, body: { attempt, receipt: said } });
  }

  async #commit(
    task: Given,
    { migration, epoch, chain: { vm } }: Extract<TaskInput, { kind: 'cutover' }>,
  ): Promise<void> {
    const said = receipt('source', vm, vm, migration);
    const arrived = async () =>
      (await this.#cloud.migrations.vms(migration)).find((each) => each.name === vm)?.destinationReceipt;
    while ((await arrived()) === undefined) {
      await this.#cloud.clock.sleep(POLL_MS);
      if (!this.#running.has(task.id)) throw new Error('cancelled');
    }
    const body = { task: task.id, attempt: task.attempt, vm, epoch, receipt: said };
    await this.#cloud.call('commitMigration', this.#host, { params: { migration }, body });
  }
}
