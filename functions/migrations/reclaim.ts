import { vmUnknown } from '../../adapters/rules/refusals.ts';
import type { ReclaimRequest } from '../../core/api/agent.ts';
import type { ErrorJson } from '../../core/errors.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { requireOwnTask } from '../agents/access.ts';
import { changeState } from '../records/change-state.ts';
import { gangOf, requireMigration } from '../records/require-migration.ts';
import type { Call } from '../rest/call.ts';
import { bodyInvalid } from '../rest/check.ts';
import type { MigrationDeps } from './deps.ts';

const TAKEN_BACK: ErrorJson = {
  code: 'TAKEN_BACK',
  message: 'the source took the VM back: it does not run at its destination',
};

/**
 * A source that could not hand its VM over, or does not know whether it has, takes it back. The ownership's epoch fences
 * that, whatever has become of the task: a cloud that was away may have given it up. Throws VM_RUNS_ELSEWHERE or
 * EPOCH_STALE, and then the VM is not the source's. An operator may leave a committed VM to its destination instead.
 */
export async function reclaim(deps: MigrationDeps, call: Call<'reclaim'>) {
  const record = await requireMigration(deps, call.path.migration, call.namespace);
  const vm = (await gangOf(deps, record)).find((each) => each.name === call.body.vm);
  if (vm === undefined) throw vmUnknown(record.id, call.body.vm, record.run);
  if (call.body.side === 'destination') return await leave(deps, record, vm, call.body);
  const back = call.body.force ? forced(vm, call.body) : await asked(deps, call, record);
  const { owner, epoch } = await deps.vms.reclaim(record.namespace, vm.name, { migration: record.id, ...back });
  await correct(deps, record, vm, back.epoch);
  return { owner, epoch };
}

function forced({ source, epoch }: VmRecord, asked: ReclaimRequest) {
  assertForced(asked);
  return { source, epoch, force: true };
}

/** Its source can't take the VM back from now on. Throws VM_OWNED_ELSEWHERE if it was not committed, or was taken back. */
async function leave(deps: MigrationDeps, record: MigrationRecord, vm: VmRecord, asked: ReclaimRequest) {
  assertForced(asked);
  const { owner, epoch } = await deps.vms.run(record.namespace, vm.name, { migration: record.id, owner: record.to });
  if (vm.guest?.is !== 'runs') await deps.migrations.updateVm(record.id, vm, { guest: { is: 'left' } });
  return { owner, epoch };
}

function assertForced({ task, force }: ReclaimRequest): void {
  if (task !== undefined || !force) throw bodyInvalid('an agent forces nothing: name a task, or force it');
}

/** Only the agent that was to cut the running VM over may ask. */
async function asked(deps: MigrationDeps, call: Call<'reclaim'>, { id }: MigrationRecord) {
  const { task, epoch, vm } = call.body;
  if (task === undefined || epoch === undefined) throw bodyInvalid('name the task and its epoch, or force it');
  const { input, host, migration } = await requireOwnTask(deps, call, task);
  if (migration !== id || input.kind !== 'cutover' || input.live === undefined || input.chain.vm !== vm)
    throw bodyInvalid(`${task} is not the cutover of ${vm}, running, in ${id}`);
  return { source: host, epoch };
}

/** The records may say by now that the VM, and with it the migration, was committed. */
async function correct(deps: MigrationDeps, record: MigrationRecord, vm: VmRecord, epoch: number): Promise<void> {
  const [found] = (await gangOf(deps, record)).filter((each) => each.name === vm.name);
  if (found?.state !== 'committed' || found.epoch !== epoch) return;
  await deps.migrations.updateVm(record.id, found, { state: 'rolled-back', error: TAKEN_BACK });
  await changeState(deps, record, ['committed'], { state: 'failed', error: TAKEN_BACK });
}
