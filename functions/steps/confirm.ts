import { LayerMoverError } from '../../core/errors.ts';
import { assertAgreed } from '../../core/receipt.ts';
import { requireRun, requireVm } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import type { InputOf } from './input.ts';
import { isOurs } from './settle.ts';

/** Confirms that both receipts are there and agree; the source compared them before it committed. */
export async function verify(deps: StepDeps, { migration, run, vm }: InputOf<'verify'>) {
  const { sourceReceipt, destinationReceipt } = await requireVm(deps, migration, run, vm);
  if (sourceReceipt === undefined || destinationReceipt === undefined)
    throw new LayerMoverError('RECEIPT_MISSING', `not both sides have proven what they hold of ${vm}`);
  assertAgreed(sourceReceipt, destinationReceipt);
  return {};
}

/** Confirms that the source's agent committed the VM, and finishes what its call may have left undone. */
export async function commit(deps: StepDeps, { migration, run, vm: name }: InputOf<'commit'>) {
  const record = await requireRun(deps, migration, run);
  if (!(await isOurs(deps, record, name)))
    throw new LayerMoverError('COMMIT_MISSING', `the source of ${name} said it was done, but did not commit`);
  const vm = await requireVm(deps, migration, run, name);
  const { endedMs = deps.clock.nowMs() } = vm;
  await deps.migrations.updateVm(migration, vm, { state: 'committed', endedMs });
  return {};
}
