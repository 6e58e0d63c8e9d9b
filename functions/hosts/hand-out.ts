import type { PollAnswer } from '../../core/api/agent.ts';
import type { HostRef } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';
import type { Task } from '../../core/task.ts';
import { beatAll } from './beat.ts';
import type { PollDeps } from './deps.ts';
import { readyOf } from './ready.ts';

/** The agent that polls, and the tasks that it says it runs, its own or not. */
export interface Polling {
  readonly namespace: string;
  readonly host: HostRef;
  readonly instance: string;
  readonly running: ReadonlySet<string>;
}

/**
 * Hands open tasks to the agent, as many as it may still take and can begin. One that it runs an old attempt of waits until it
 * has stopped that: two attempts must not meet in one file. Those that must wait are beaten, too: their host is alive.
 */
export async function handOut(
  deps: PollDeps,
  { namespace, host, instance, running }: Polling,
  own: readonly Task[],
): Promise<PollAnswer['tasks']> {
  const beaten = new Set(own.map((task) => task.id));
  const open = await deps.tasks.open(namespace, host);
  const waiting = await beatAll(
    deps,
    open.filter((task) => !beaten.has(task.id)),
  );
  const free = await readyOf(
    deps,
    waiting.filter((task) => !running.has(task.id)),
    running,
  );
  const room = Math.max(0, limits.tasks_per_host_max - running.size);
  const taken = await Promise.all(free.slice(0, room).map((task) => take(deps, task, instance)));
  return taken.filter((each) => each !== undefined);
}

async function take({ tasks, clock, log, measure }: PollDeps, task: Task, instance: string) {
  const { id, input, migration, postedMs } = task;
  const attempt = await tasks.take(id, instance);
  if (attempt === undefined) return undefined;
  measure('TaskQueueTime', Math.max(0, clock.nowMs() - postedMs));
  log.info('task handed out', { migration, run: input.run, task: id, attempt });
  return { id, attempt, input };
}
