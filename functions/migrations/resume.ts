import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { migrationEnded, requireMigration } from '../records/require-migration.ts';
import type { Call } from '../rest/call.ts';
import { begin } from './create.ts';
import type { MigrationDeps } from './deps.ts';

/**
 * Lets a migration that failed go on, as the same migration in its next run: VMs that were committed stay committed, the
 * others begin anew, and what was sent of them is not sent again. One that runs or is committed is answered as it is.
 * The same request again changes nothing; it starts what a crash left unstarted. Throws MIGRATION_ENDED for one that was
 * aborted or planned alone, RESUME_REFUSED after too many runs or too long a time.
 */
export async function resume(deps: MigrationDeps, call: Call<'resumeMigration'>): Promise<MigrationRecord> {
  const found = await requireMigration(deps, call.path.migration, call.namespace);
  if (found.state === 'aborted' || found.state === 'planned') throw migrationEnded(found);
  if (found.state === 'failed' && found.run === call.body.run) {
    assertResumable(found, deps.clock.nowMs());
    await nextRun(deps, found, { abortRequested: false });
  }
  const record = await requireMigration(deps, found.id);
  if (record.state === 'requested') await begin(deps, record);
  return record;
}

/** Moves a migration that failed on to its next run, unless somebody has done so already. */
export async function nextRun(
  { migrations, clock }: Pick<MigrationDeps, 'migrations' | 'clock'>,
  failed: MigrationRecord,
  wish: Required<Pick<MigrationRecord, 'abortRequested'>>,
): Promise<void> {
  const anew = { run: failed.run + 1, state: 'requested', error: undefined, endedMs: undefined } as const;
  await migrations.update(failed, ['failed'], { ...anew, ...wish, updatedMs: clock.nowMs() });
}

function assertResumable({ id, run, createdMs }: MigrationRecord, nowMs: number): void {
  const tooOld = nowMs - createdMs > limits.resume_seconds_max * 1000;
  if (run < limits.runs_max && !tooOld) return;
  const why = tooOld ? 'what it sent may soon be removed from the store' : `it was begun ${run} times`;
  throw new LayerMoverError('RESUME_REFUSED', `migration ${id} can no longer be resumed: ${why}`, {
    hint: 'migrate again: that is a new migration, which sends everything anew',
    data: { migration: id, run },
  });
}
