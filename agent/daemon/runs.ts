import type { ApiClient } from '../../adapters/api/client.ts';
import type { GrantedObjectStore } from '../../adapters/aws/object-store.ts';
import type { PollAnswer, PollRequest, ReportRequest } from '../../core/api/agent.ts';
import type { StreamCounts, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { TaskRun } from '../tasks/task.ts';
import type { Log } from './log.ts';
import { reportable } from './reportable.ts';

type HandedOut = PollAnswer['tasks'][number];

interface Running {
  readonly attempt: number;
  readonly abort: AbortController;
  /** Aborts what `abort` leaves time to finish. */
  readonly cut: AbortController;
  readonly progress: Map<string, StreamCounts>;
  readonly ended: Promise<void>;
  /** Its work is done, and is being reported: a poll that crosses the report may find it cancelled. */
  isDone: boolean;
}

type Signals = Pick<TaskRun, 'signal' | 'cut'>;

/** What every line of the log about a task names. */
interface Fields {
  readonly migration: string;
  readonly run: number;
  readonly task: string;
  readonly attempt: number;
}

export interface RunsOptions {
  /** A patient one: a report is made until it is answered. */
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  /** The object store with the rights of one attempt. */
  readonly storeFor: (task: string, attempt: number, signal: AbortSignal) => GrantedObjectStore;
  readonly perform: (input: TaskInput, run: TaskRun) => Promise<TaskResult>;
  /** Told of each task that is done, once that was reported: nobody will ask for it again. */
  readonly onDone?: (input: TaskInput) => Promise<void>;
  /** Told after each task, however it ended. */
  readonly onEnd: () => void;
}

/** The tasks that run at this agent, each until its outcome is reported. */
export class Runs {
  readonly #options: RunsOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#running.size;
  }

  has(task: string): boolean {
    return this.#running.has(task);
  }

  /** For the next poll. */
  list(): PollRequest['running'] {
    return [...this.#running].map(([task, { attempt, progress }]) => ({
      task,
      attempt,
      progress: [...progress.values()],
    }));
  }

  /** Starts what is new. A task that is handed out with a newer attempt begins again once the older one has ended. */
  start(tasks: readonly HandedOut[]): void {
    for (const task of tasks) {
      const older = this.#running.get(task.id);
      if (older !== undefined && older.attempt >= task.attempt) continue;
      if (older !== undefined) cancel(older, 'another attempt has begun');
      const [abort, cut] = [new AbortController(), new AbortController()];
      const progress = new Map<string, StreamCounts>();
      const signals = { signal: abort.signal, cut: cut.signal };
      const ended = (older?.ended ?? Promise.resolve()).then(() => this.#run(task, signals, progress));
      this.#running.set(task.id, { attempt: task.attempt, abort, cut, progress, ended, isDone: false });
    }
  }

  cancel(tasks: readonly string[]): void {
    for (const task of tasks) {
      const running = this.#running.get(task);
      if (running?.isDone === false) cancel(running, 'the task was cancelled');
    }
  }

  /**
   * Ends all tasks without a report, so that another run of the agent takes them over. What is being sent has
   * `limits.agent_drain_ms` to be stored and committed: that run need not send it again.
   */
  async stop(): Promise<void> {
    const running = [...this.#running.values()];
    const reason = stopped('AGENT_STOPPED', 'the agent was stopped');
    for (const { abort } of running) abort.abort(reason);
    const ended = new AbortController();
    const drained = Promise.all(running.map((each) => each.ended)).then(() => ended.abort());
    await this.#options.clock.sleep(limits.agent_drain_ms, ended.signal).catch(() => undefined);
    for (const { cut } of running) cut.abort(reason);
    await drained;
  }

  /** Never rejects. */
  async #run({ id, attempt, input }: HandedOut, signals: Signals, progress: Map<string, StreamCounts>) {
    const { signal, cut } = signals;
    const { log, storeFor, perform } = this.#options;
    const fields = { migration: input.migration, run: input.run, task: id, attempt };
    log.info(fields, 'task begins');
    const store = storeFor(id, attempt, cut);
    try {
      const onProgress = (counts: StreamCounts) => progress.set(counts.stream, counts);
      signal.throwIfAborted();
      const result = await perform(input, { task: id, attempt, ...signals, store, progress: onProgress });
      const own = this.#running.get(id);
      if (own?.attempt === attempt) own.isDone = true;
      await this.#report(id, { attempt, outcome: { status: 'done', result } }, cut);
      await this.#options.onDone?.(input);
      log.info(fields, 'task done');
    } catch (error) {
      await this.#fail(fields, error, signals);
    } finally {
      store.close();
      if (this.#running.get(id)?.attempt === attempt) this.#running.delete(id);
      this.#options.onEnd();
    }
  }

  async #fail(fields: Fields, error: unknown, { signal, cut }: Signals): Promise<void> {
    const { log } = this.#options;
    if (signal.aborted) return log.info({ ...fields, reason: (signal.reason as Error).message }, 'task stopped');
    log.error({ ...fields, error: reportable(error) }, 'task failed');
    // Of a task that is out of date or cancelled nobody wants to hear any more.
    if (hasCode(error, 'ATTEMPT_STALE', 'TASK_UNKNOWN', 'ABORTED')) return;
    const outcome = { status: 'failed', error: reportable(error) } as const;
    try {
      await this.#report(fields.task, { attempt: fields.attempt, outcome }, cut);
    } catch (refusal) {
      if (!cut.aborted) log.warn({ ...fields, error: reportable(refusal) }, 'the report was refused');
    }
  }

  async #report(task: string, body: ReportRequest, signal: AbortSignal): Promise<void> {
    await this.#options.api.call('reportTask', { params: { task }, body, signal });
  }
}

function cancel({ abort, cut }: Running, why: string): void {
  for (const each of [abort, cut]) each.abort(stopped('TASK_CANCELLED', why));
}

function stopped(code: string, message: string): LayerMoverError {
  return new LayerMoverError(code, message);
}
