import type { ApiClient } from '../../adapters/api/client.ts';
import type { GrantedObjectStore } from '../../adapters/aws/object-store.ts';
import type { PollAnswer, PollRequest, ReportRequest } from '../../core/api/agent.ts';
import type { StreamCounts, TaskInput, TaskResult } from '../../core/api/tasks.ts';
import { hasCode, LayerMoverError } from '../../core/errors.ts';
import type { TaskRun } from '../tasks/task.ts';
import type { Log } from './log.ts';
import { reportable } from './reportable.ts';

type HandedOut = PollAnswer['tasks'][number];

interface Running {
  readonly attempt: number;
  readonly abort: AbortController;
  readonly progress: Map<string, StreamCounts>;
  readonly ended: Promise<void>;
}

export interface RunsOptions {
  /** A patient one: a report is made until it is answered. */
  readonly api: ApiClient;
  readonly log: Log;
  /** The object store with the rights of one attempt. */
  readonly storeFor: (task: string, attempt: number, signal: AbortSignal) => GrantedObjectStore;
  readonly perform: (input: TaskInput, run: TaskRun) => Promise<TaskResult>;
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
      older?.abort.abort(stopped('TASK_CANCELLED', 'another attempt has begun'));
      const abort = new AbortController();
      const progress = new Map<string, StreamCounts>();
      const ended = (older?.ended ?? Promise.resolve()).then(() => this.#run(task, abort.signal, progress));
      this.#running.set(task.id, { attempt: task.attempt, abort, progress, ended });
    }
  }

  cancel(tasks: readonly string[]): void {
    for (const task of tasks) this.#running.get(task)?.abort.abort(stopped('TASK_CANCELLED', 'the task was cancelled'));
  }

  /** Ends all tasks without a report, so that another run of the agent takes them over. */
  async stop(): Promise<void> {
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort(stopped('AGENT_STOPPED', 'the agent was stopped'));
    await Promise.all(running.map(({ ended }) => ended));
  }

  /** Never rejects. */
  async #run({ id, attempt, input }: HandedOut, signal: AbortSignal, progress: Map<string, StreamCounts>) {
    const { log, storeFor, perform } = this.#options;
    const fields = { task: id, attempt };
    log.info(fields, 'task begins');
    const store = storeFor(id, attempt, signal);
    try {
      const onProgress = (counts: StreamCounts) => progress.set(counts.stream, counts);
      signal.throwIfAborted();
      const result = await perform(input, { task: id, attempt, signal, store, progress: onProgress });
      await this.#report(id, { attempt, outcome: { status: 'done', result } }, signal);
      log.info(fields, 'task done');
    } catch (error) {
      await this.#fail(fields, error, signal);
    } finally {
      store.close();
      if (this.#running.get(id)?.attempt === attempt) this.#running.delete(id);
      this.#options.onEnd();
    }
  }

  async #fail(fields: { task: string; attempt: number }, error: unknown, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    if (signal.aborted) return log.info({ ...fields, reason: (signal.reason as Error).message }, 'task stopped');
    log.error({ ...fields, error: reportable(error) }, 'task failed');
    // Of a task that is out of date or cancelled nobody wants to hear any more.
    if (hasCode(error, 'ATTEMPT_STALE', 'TASK_UNKNOWN', 'ABORTED')) return;
    const outcome = { status: 'failed', error: reportable(error) } as const;
    try {
      await this.#report(fields.task, { attempt: fields.attempt, outcome }, signal);
    } catch (refusal) {
      if (!signal.aborted) log.warn({ ...fields, error: reportable(refusal) }, 'the report was refused');
    }
  }

  async #report(task: string, body: ReportRequest, signal: AbortSignal): Promise<void> {
    await this.#options.api.call('reportTask', { params: { task }, body, signal });
  }
}

function stopped(code: string, message: string): LayerMoverError {
  return new LayerMoverError(code, message);
}
