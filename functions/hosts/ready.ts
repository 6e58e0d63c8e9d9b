import type { TaskInput } from '../../core/api/tasks.ts';
import { basesOf } from '../../core/disks.ts';
import type { Task } from '../../core/task.ts';
import { taskIdOf } from '../../core/task.ts';
import type { PollDeps } from './deps.ts';

/**
 * Those of the tasks that an agent can begin. It follows a VM whose base layers are to come only once it fetches these, or has:
 * however many VMs wait for their bases, none of them holds the fetch's place; and whom nothing is fetched for any more knows
 * that a base which is missing is lost. `running`: the tasks that the agent says it runs.
 */
export async function readyOf(
  deps: Pick<PollDeps, 'tasks'>,
  open: readonly Task[],
  running: ReadonlySet<string>,
): Promise<Task[]> {
  const ready = await Promise.all(open.map((task) => isReady(deps, task, running)));
  return open.filter((_, at) => ready[at]);
}

async function isReady(
  { tasks }: Pick<PollDeps, 'tasks'>,
  { migration, host, input }: Task,
  running: ReadonlySet<string>,
): Promise<boolean> {
  if (!awaitsBases(input)) return true;
  const fetch = await tasks.find(taskIdOf(migration, 'fetch', host));
  if (fetch === undefined || fetch.input.run !== input.run) return false;
  return running.has(fetch.id) || fetch.outcome?.status === 'done';
}

function awaitsBases(input: TaskInput): boolean {
  return input.kind === 'follow' && basesOf(input.chain.layers).some(({ treatment }) => treatment !== 'skip');
}
