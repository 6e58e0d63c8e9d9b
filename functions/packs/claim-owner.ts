import type { Task } from '../../core/task.ts';

/** Whose a claim of a batch is: one host of one migration. */
export function claimOwner({ migration, host }: Pick<Task, 'migration' | 'host'>): string {
  return `${migration}/${host}`;
}
