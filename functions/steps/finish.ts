import { STORE_DAMAGED } from '../../core/damage.ts';
import type { ErrorJson } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { endState, hasEnded, RUNNING } from '../../core/migration.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { changeState } from '../records/change-state.ts';
import { gangOf, requireRun } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import type { InputOf } from './input.ts';
import { endRegistration, isRegistration } from './registration.ts';
import { removeObjects } from './remove-objects.ts';
import { settle } from './settle.ts';

/**
 * Ends a migration: its record, its leases, and what lies in the object store for it alone; if it failed that stays for
 * a while, for it may be resumed. Called again until done.
 */
export async function finish(deps: StepDeps, { migration, run, round }: InputOf<'finish'>) {
  const record = await requireRun(deps, migration, run);
  const isOver = hasEnded(record.state);
  const end = isOver ? record : await settleAll(deps, record);
  // What was sent is not sent again, unless some of it is damaged: an object that is there can't be replaced.
  const isDamaged = end.state === 'failed' && (await hasDamage(deps, record, end));
  // Whoever resumes it must find nothing that is being removed: then its end comes last.
  const endsLast = isDamaged && !isOver;
  if (!endsLast && round === 0) await close(deps, record, end);
  const isGone = (end.state === 'failed' && !endsLast) || (await removeObjects(deps, record));
  const more = !isGone && round + 1 < limits.cleanup_rounds_max;
  if (endsLast && !more) await close(deps, record, end);
  return {
    state: end.state,
    error: end.error?.code ?? 'ENDED',
    cause: end.error?.message ?? `the migration ended as ${end.state}`,
    more,
    round: round + 1,
  };
}

type End = Pick<MigrationRecord, 'state' | 'error'>;

async function hasDamage(deps: StepDeps, record: MigrationRecord, { error }: End): Promise<boolean> {
  const errors = [error, ...(await gangOf(deps, record)).map((vm) => vm.error)];
  return errors.some((each) => (STORE_DAMAGED as readonly string[]).includes(each?.code ?? ''));
}

/**
 * Whatever went before, no VM stays unsettled: agents keep or drop a VM's files by what its record says. Of a migration
 * that was to be planned alone nothing is to be settled.
 */
async function settleAll(deps: StepDeps, record: MigrationRecord): Promise<End> {
  if (isRegistration(record)) return await endRegistration(deps, record);
  if (record.planOnly && record.forecast !== undefined && record.error === undefined) return { state: 'planned' };
  for (const vm of await gangOf(deps, record)) await settle(deps, record, vm, record.error ?? UNFINISHED);
  for (const name of record.vmNames) await deps.vms.release(record.namespace, name, record.id);
  const gang = await gangOf(deps, record);
  const state = endState(
    gang.map((vm) => vm.state),
    record.abortRequested ?? false,
  );
  const error = record.error ?? gang.find((vm) => vm.error !== undefined)?.error;
  return error === undefined || state === 'committed' ? { state } : { state, error };
}

/** What failed beside VMs all of which were committed is nobody's error any more. */
async function close(deps: StepDeps, record: MigrationRecord, { state, error }: End): Promise<void> {
  await changeState(deps, record, RUNNING, { state, endedMs: deps.clock.nowMs(), error });
}

const UNFINISHED: ErrorJson = {
  code: 'WORKFLOW_FAILED',
  message: 'the workflow ended before this VM was moved; its history tells why',
};
