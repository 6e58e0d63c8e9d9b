import { hasCode } from '../../core/errors.ts';
import { hasEnded, RUNNING } from '../../core/migration.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { allTaskIds } from '../agents/task-ids.ts';
import { aborted, gangOf, migrationEnded, requireMigration } from '../records/require-migration.ts';
import type { Call } from '../rest/call.ts';
import { begin } from './create.ts';
import type { MigrationDeps } from './deps.ts';

/**
 * Asks a migration to stop. The wish is stored before tasks are looked up, and whoever posts one looks for the wish
 * afterwards: no task slips through. The workflow then rolls back. Throws MIGRATION_ENDED if it ended otherwise.
 */
export async function abort(deps: MigrationDeps, call: Call<'abortMigration'>): Promise<MigrationRecord> {
  const found = await requireMigration(deps, call.path.migration, call.namespace);
  if (found.state === 'aborted') return found;
  if (hasEnded(found.state)) throw migrationEnded(found);
  await deps.migrations.update(found.id, RUNNING, { abortRequested: true, updatedMs: deps.clock.nowMs() });
  if (found.state === 'requested') await begin(deps, found);
  for (const id of allTaskIds(found, await gangOf(deps, found))) await cancel(deps, id);
  return await requireMigration(deps, found.id);
}

async function cancel({ tasks, workflow }: MigrationDeps, id: string): Promise<void> {
  const task = await tasks.find(id);
  if (task === undefined || (task.state === 'closed' && task.outcome?.status !== 'cancelled')) return;
  await tasks.cancel(id);
  try {
    await workflow.fail(task.token, aborted(task.migration).toJSON());
  } catch (error) {
    if (!hasCode(error, 'TOKEN_DEAD')) throw error;
  }
}
