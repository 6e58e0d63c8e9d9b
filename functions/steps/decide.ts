import { limits } from '../../core/limits.ts';
import { decideRound } from '../../core/round.ts';
import { changeState } from '../records/change-state.ts';
import { movingGangOf, requireRunning } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import type { InputOf } from './input.ts';

/** After each round of a VM: another one, or its cutover. */
export async function decide(deps: StepDeps, { migration, run, vm: name, round }: InputOf<'decide'>) {
  const record = await requireRunning(deps, migration, run);
  const gang = await movingGangOf(deps, record);
  if (name === gang[0]?.name) await changeState(deps, record, ['preparing', 'seeding', 'moving'], { state: 'moving' });
  if (round === 0) await deps.migrations.updateVm(migration, { name, run }, { state: 'moving' });
  const decision = round < limits.rounds_max ? decideRound('cold') : 'cutover';
  return { decision, round: round + 1 };
}
