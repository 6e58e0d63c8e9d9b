import type { HostRef } from '../../core/api/names.ts';
import type { TaskInput } from '../../core/api/tasks.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { taskIdOf } from '../../core/task.ts';
import { movingGangOf, requireRunning } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import type { InputOf } from './input.ts';
import { taskInput, vmOf } from './task-input.ts';

/**
 * Posts a task for an agent; the state waits for its token. Looks for the wish to abort once more afterwards, for an abort
 * that came in between has not seen the task.
 */
export async function dispatch(deps: StepDeps, { migration, run, kind, what, token }: InputOf<'dispatch'>) {
  const record = await requireRunning(deps, migration, run);
  const gang = await movingGangOf(deps, record);
  const input = taskInput(record, gang, kind, what);
  const id = taskIdOf(migration, input.kind, what);
  const host = hostOf(record, gang, input, what);
  await tellSilent(deps, id, run, token);
  await deps.tasks.post({ id, namespace: record.namespace, migration, host, input, token });
  await requireRunning(deps, migration, run).catch(async (error) => {
    await deps.tasks.cancel(id);
    throw error;
  });
  return { task: id };
}

/** A state that asks anew for what was not answered has given up on its agent's heartbeat. */
async function tellSilent({ tasks, log, measure }: StepDeps, id: string, run: number, token: string): Promise<void> {
  const known = await tasks.find(id);
  if (known === undefined || known.state === 'closed' || known.input.run !== run || known.token === token) return;
  measure('SilentAgents', 1);
  log.warn('an agent fell silent: its task is handed out anew', { task: id, host: known.host });
}

function hostOf(record: MigrationRecord, gang: readonly VmRecord[], { kind }: TaskInput, what: string): HostRef {
  if (kind === 'fetch' || kind === 'follow') return record.to;
  return kind === 'cutover' || kind === 'round' ? vmOf(gang, what).source : (what as HostRef);
}
