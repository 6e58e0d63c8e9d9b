import { hasCode } from '../../core/errors.ts';
import { RUNNING } from '../../core/migration.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { allTaskIds } from '../agents/task-ids.ts';
import { aborted, gangOf, migrationEnded, requireMigration } from '../records/require-migration.ts';
import type { Call } from '../rest/call.ts';
import { begin } from './create.ts';
import type { MigrationDeps } from './deps.ts';
import { nextRun } from './resume.ts';

/**
 * Asks a migration to stop. The wish is stored before tasks are looked up, and whoever posts one looks for the wish
 * afterwards: no task slips through. The workflow then rolls back. One that failed gets a last run, which removes what
 * was kept for it to be resumed. Throws MIGRATION_ENDED if it was committed, or planned alone.
 */
export async function abort(deps: MigrationDeps, call: Call<'abortMigration'>): Promise<MigrationRecord> {
  const found = await requireMigration(deps, call.path.migration, call.namespace);
  if (found.state === 'aborted') return found;
  if (found.state === 'committed' || found.state === 'planned') throw migrationEnded(found);
  if (found.state === 'failed') await nextRun(deps, found, { abortRequested: true });
  else await deps.migrations.update(found, RUNNING, { abortRequested: true, updatedMs: deps.clock.nowMs() });
  const record = await requireMigration(deps, found.id);
  // It ended, or was resumed, in between: the wish is not stored yet.
  if (record.abortRequested !== true) return await abort(deps, call);
  if (record.state === 'requested') await begin(deps, record);
  for (const id of allTaskIds(record, await gangOf(deps, record))) await cancel(deps, id);
  return await requireMigration(deps, record.id);
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
