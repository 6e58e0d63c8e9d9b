import type { ErrorJson } from '../../core/errors.ts';
import { RUNNING } from '../../core/migration.ts';
import { allTaskIds, vmTaskIds } from '../agents/task-ids.ts';
import { gangOf, requireRun, requireVm } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import { failureOf } from './failure.ts';
import type { Caught, InputOf } from './input.ts';
import { settle } from './settle.ts';

/** Gives one VM back to its source; the others of the gang go on. */
export async function rollbackVm(deps: StepDeps, { migration, run, vm, error }: InputOf<'rollback-vm'>) {
  const record = await requireRun(deps, migration, run);
  for (const id of vmTaskIds(migration, vm)) await deps.tasks.cancel(id);
  await settle(deps, record, await requireVm(deps, migration, run, vm), told(deps, error));
  return {};
}

/** Gives every VM that is not committed back to its source. */
export async function rollback(deps: StepDeps, { migration, run, error }: InputOf<'rollback'>) {
  const record = await requireRun(deps, migration, run);
  const failure = told(deps, error);
  await deps.migrations.update(record, RUNNING, { error: failure, updatedMs: deps.clock.nowMs() });
  const gang = await gangOf(deps, record);
  for (const id of allTaskIds(record, gang)) await deps.tasks.cancel(id);
  for (const vm of gang) await settle(deps, record, vm, failure);
  return {};
}

/** The error that was caught; that an agent fell silent for good is measured, too. */
function told({ log, measure }: StepDeps, error: Caught): ErrorJson {
  const failure = failureOf(error);
  if (failure.code === 'AGENT_SILENT') measure('SilentAgents', 1);
  log.warn('rolled back', { code: failure.code, detail: failure.message });
  return failure;
}
