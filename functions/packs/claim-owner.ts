import type { Task } from '../../core/task.ts';

/** The migration of a claim's owner. */
export function migrationOf(owner: string): string {
  return owner.slice(0, owner.indexOf('/'));
}

/** Whose a claim of a batch is: one host of one migration. */
export function claimOwner({ migration, host }: Pick<Task, 'migration' | 'host'>): string {
  return `${migration}/${host}`;
}
