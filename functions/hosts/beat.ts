import { hasCode } from '../../core/errors.ts';
import type { Task } from '../../core/task.ts';
import type { PollDeps } from './deps.ts';

/**
 * Tells the workflow that the host of a task is alive. Answers false if the workflow no longer waits for the task's
 * token: then this attempt is closed.
 */
export async function beat(deps: PollDeps, task: Task): Promise<boolean> {
  if (!deps.beats.due(task.token, deps.clock.nowMs())) return true;
  try {
    await deps.workflow.beat(task.token);
    return true;
  } catch (error) {
    if (!hasCode(error, 'TOKEN_DEAD')) throw error;
    await deps.tasks.close(task.id, task.attempt, { status: 'cancelled' });
    return false;
  }
}

/** Those of the tasks that the workflow waits for. */
export async function beatAll(deps: PollDeps, tasks: readonly Task[]): Promise<Task[]> {
  const awaited = await Promise.all(tasks.map((task) => beat(deps, task)));
  return tasks.filter((_, at) => awaited[at]);
}
