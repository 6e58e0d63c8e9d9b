import { hasEnded } from '../../core/migration.ts';
import type { StepDeps } from './deps.ts';
import { finish } from './finish.ts';
import type { InputOf } from './input.ts';
import { rollback } from './rollback.ts';

const STOPPED = {
  code: 'WORKFLOW_STOPPED',
  message: 'the workflow was stopped from outside, or ran into its time',
  hint: 'its VMs stay with their sources; `layermover resume` goes on with it',
};

/**
 * An execution has come to its end. If that was not its own doing, its migration is still open: its VMs are given back,
 * and it ends as failed. Source of the names: `execution` is `<migration>` or, from the second run on, `<migration>-<run>`.
 */
export async function ended(deps: StepDeps, { execution }: InputOf<'ended'>) {
  const [migration = '', suffix = '1'] = execution.split('-');
  const run = Number(suffix);
  const record = await deps.migrations.find(migration);
  if (record === undefined || record.run !== run || hasEnded(record.state)) return {};
  const error = { Error: STOPPED.code, Cause: JSON.stringify(STOPPED) };
  await rollback(deps, { step: 'rollback', migration, run, error });
  await finish(deps, { step: 'finish', migration, run, round: 0 });
  return {};
}
