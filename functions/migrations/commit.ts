import { LayerMoverError } from '../../core/errors.ts';
import { assertAgreed } from '../../core/receipt.ts';
import type { VmRecord } from '../../core/records.ts';
import { requireTask } from '../agents/access.ts';
import { requireMigration, requireVm } from '../records/require-migration.ts';
import type { Call } from '../rest/call.ts';
import { bodyInvalid } from '../rest/check.ts';
import type { MigrationDeps } from './deps.ts';

/**
 * The one moment at which a VM changes hands: the source says that it is done, both receipts agree, and one conditional
 * write moves the ownership. Called again it answers the same. Throws RECEIPT_MISSING, RECEIPTS_DIFFER or EPOCH_STALE, and
 * then the source still owns the VM.
 */
export async function commit(deps: MigrationDeps, call: Call<'commitMigration'>) {
  const { task: taskId, attempt, vm: name, epoch, receipt, paused } = call.body;
  // A guest waits for this: what does not depend on each other is read, and written, at once.
  const [record, task] = await Promise.all([
    requireMigration(deps, call.path.migration, call.namespace),
    requireTask(deps, call, taskId, attempt),
  ]);
  const isCutover = task.input.kind === 'cutover' && task.input.chain.vm === name && task.migration === record.id;
  if (!isCutover) throw bodyInvalid(`${taskId} is not the cutover of ${name} in ${record.id}`);
  if (receipt.vm !== name || receipt.side !== 'source' || receipt.migration !== record.id)
    throw bodyInvalid(`this is no receipt of the source for ${name}`);

  const { run } = task.input;
  const [vm] = await Promise.all([
    requireVm(deps, record.id, run, name),
    deps.migrations.updateVm(record.id, { name, run }, { sourceReceipt: receipt }),
  ]);
  assertAgreed(receipt, destinationReceipt(vm));
  const move = { migration: record.id, to: record.to, epoch, ...(paused === undefined ? {} : { paused }) };
  const ownership = await deps.vms.commit(record.namespace, name, move);
  await deps.migrations.updateVm(record.id, { name, run }, { state: 'committed', endedMs: deps.clock.nowMs() });
  return { owner: ownership.owner, epoch: ownership.epoch };
}

function destinationReceipt({ name, destinationReceipt }: VmRecord) {
  if (destinationReceipt !== undefined) return destinationReceipt;
  throw new LayerMoverError('RECEIPT_MISSING', `the destination has not yet proven what it holds of ${name}`, {
    hint: 'poll for its receipt, then commit',
  });
}
