import type { TaskInput } from '../../../core/api/tasks.ts';
import { basesOf } from '../../../core/disks.ts';
import type { TaskHost, TaskRun } from '../../tasks/task.ts';

type OfVm = Extract<TaskInput, { kind: 'round' | 'cutover' }>;

/**
 * Waits until the destination has written what the first round brought, where it may still have been fetching the base layers that
 * this lies on. Rounds that it can't follow would copy the same blocks again and again, and what was written while it was not there
 * must be known when the pause is decided on. Errors: the signal's reason.
 */
export async function untilFollowed(
  { news }: Pick<TaskHost, 'news'>,
  { signal }: Pick<TaskRun, 'signal'>,
  { migration, chain }: OfVm,
): Promise<void> {
  if (basesOf(chain.layers).every(({ treatment }) => treatment === 'skip')) return;
  for await (const { applied } of news.incoming(migration, chain.vm, signal)) if (applied !== undefined) return;
}
