import { STORE_DAMAGED } from '../../core/damage.ts';
import type { ErrorJson } from '../../core/errors.ts';
import { migrationScope } from '../../core/format/keys.ts';
import { limits } from '../../core/limits.ts';
import { endState, RUNNING } from '../../core/migration.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { changeState } from '../records/change-state.ts';
import { gangOf, requireRun } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import type { InputOf } from './input.ts';
import { settle } from './settle.ts';

/**
 * Ends a migration: its record, its leases, and what lies in the object store for it alone; if it failed that stays for
 * a while, for it may be resumed. Called again until done.
 */
export async function finish(deps: StepDeps, { migration, run, round }: InputOf<'finish'>) {
  if (round === 0) await end(deps, await requireRun(deps, migration, run));
  const record = await requireRun(deps, migration, run);
  const gone = (await isKept(deps, record)) || (await removeObjects(deps, record));
  return {
    state: record.state,
    error: record.error?.code ?? 'ENDED',
    cause: record.error?.message ?? `the migration ended as ${record.state}`,
    more: !gone && round + 1 < limits.cleanup_rounds_max,
    round: round + 1,
  };
}

/** What is kept is not sent again. If any of it is damaged, all must be: an object that is there can't be replaced. */
async function isKept(deps: StepDeps, record: MigrationRecord): Promise<boolean> {
  if (record.state !== 'failed') return false;
  const errors = [record.error, ...(await gangOf(deps, record)).map((vm) => vm.error)];
  return !errors.some((error) => (STORE_DAMAGED as readonly string[]).includes(error?.code ?? ''));
}

/** Whatever went before, no VM stays unsettled: agents keep or drop a VM's files by what its record says. */
async function end(deps: StepDeps, record: MigrationRecord): Promise<void> {
  for (const vm of await gangOf(deps, record)) await settle(deps, record, vm, record.error ?? UNFINISHED);
  for (const name of record.vmNames) await deps.vms.release(record.namespace, name, record.id);
  const gang = await gangOf(deps, record);
  const states = gang.map((vm) => vm.state);
  const state = endState(states, record.abortRequested ?? false);
  const error = record.error ?? gang.find((vm) => vm.error !== undefined)?.error;
  const endedMs = deps.clock.nowMs();
  const told = error === undefined || state === 'committed' ? {} : { error };
  await changeState(deps, record, RUNNING, { state, endedMs, ...told });
}

const UNFINISHED: ErrorJson = {
  code: 'WORKFLOW_FAILED',
  message: 'the workflow ended before this VM was moved; its history tells why',
};

/** True when the migration's scope is empty. What a late agent still writes there the bucket's own rule expires. */
async function removeObjects({ objects }: StepDeps, { namespace, id }: MigrationRecord): Promise<boolean> {
  const prefix = `${migrationScope(namespace, id)}/`;
  for (let page = 0; page < limits.cleanup_pages_max; page++) {
    const keys = await objects.list(prefix, limits.events_list_per_cleanup_max);
    await objects.remove(keys);
    if (keys.length < limits.events_list_per_cleanup_max) return true;
  }
  return false;
}
