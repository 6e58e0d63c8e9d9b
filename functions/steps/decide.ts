import { type Decision, decide as decideNext } from '../../core/convergence/decide.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { MigrationRecord } from '../../core/records.ts';
import { changeState } from '../records/change-state.ts';
import { movingGangOf, requireRunning, requireVm } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import { inOrderOfBases } from './gang.ts';
import type { InputOf } from './input.ts';

/**
 * After each round of a VM: another one, or its cutover. What the next task needs to know is in the VM's record. A
 * stopped VM does not change while it is copied, so its cutover's copy is the only one. Throws NO_CONVERGENCE, which
 * rolls the VM back.
 */
export async function decide(deps: StepDeps, { migration, run, vm: name, round }: InputOf<'decide'>) {
  const record = await requireRunning(deps, migration, run);
  const gang = await movingGangOf(deps, record);
  if (name === inOrderOfBases(gang)[0]?.name)
    await changeState(deps, record, ['preparing', 'seeding', 'moving'], { state: 'moving' });
  if (round === 0) await deps.migrations.startVm(migration, { name, run });
  const decision = await decideLive(deps, record, name, round);
  return { decision, round: round + 1 };
}

async function decideLive(deps: StepDeps, { id, run, live }: MigrationRecord, name: string, round: number) {
  if (live === undefined) return 'cutover';
  const vm = await requireVm(deps, id, run, name);
  const { decision, ...why } = decideNext(vm.rounds ?? [], live);
  await deps.migrations.updateVm(id, vm, { decided: { ...why, round } });
  if (decision === 'abort') throw noConvergence(name, why);
  return decision === 'cutover' ? 'cutover' : 'round';
}

function noConvergence(vm: string, { predictedMs, reason }: Pick<Decision, 'predictedMs' | 'reason'>): LayerMoverError {
  return new LayerMoverError('NO_CONVERGENCE', `a cutover of ${vm} would pause it for ${predictedMs} ms: ${reason}`, {
    hint: 'migrate when it writes less, with a longer --max-downtime, or with --on-no-convergence throttle',
    data: { vm, predictedMs },
  });
}
