import { limits } from '../../core/limits.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { changeState } from '../records/change-state.ts';
import { gangOf, requireRunning } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import { findSource } from './find-source.ts';
import type { InputOf } from './input.ts';
import { isRegistration } from './registration.ts';

/**
 * Finds where each VM is and leases it, so that no other migration moves it meanwhile; not for a plan, which changes
 * nothing. What an earlier run committed is done with. A registration moves no VM: its host is asked what it holds, and
 * may have to send that.
 */
export async function prepare(deps: StepDeps, { migration, run }: InputOf<'prepare'>) {
  const record = await requireRunning(deps, migration, run);
  await changeState(deps, record, ['requested', 'preparing'], { state: 'preparing' });
  if (isRegistration(record)) return { sources: [{ host: record.to }], vms: [], destination: record.to };
  const known = await gangOf(deps, record);
  const moving: VmRecord[] = [];
  for (const name of record.vmNames) {
    const vm = known.find((each) => each.name === name);
    if (vm?.run === run) moving.push(vm);
    else if (vm?.state !== 'committed') moving.push(await lease(deps, record, name));
  }
  const sources = new Set(moving.map((vm) => vm.source));
  return {
    sources: [...sources].map((host) => ({ host })),
    // Executions that were begun before an update go by this one.
    vms: moving.map(({ name: vm }) => ({ vm })),
    destination: record.to,
  };
}

async function lease(deps: StepDeps, record: MigrationRecord, name: string): Promise<VmRecord> {
  const source = await findSource(deps, record, name);
  const nowMs = deps.clock.nowMs();
  if (record.planOnly) return await put(deps, record, { name, source, epoch: 0 }, nowMs);
  const wanted = { migration: record.id, untilMs: nowMs + limits.lease_seconds * 1000 };
  const { epoch } = await deps.vms.lease(record.namespace, name, source, wanted, nowMs);
  return await put(deps, record, { name, source, epoch }, nowMs);
}

async function put(
  deps: StepDeps,
  { id, run }: MigrationRecord,
  where: Pick<VmRecord, 'name' | 'source' | 'epoch'>,
  startedMs: number,
): Promise<VmRecord> {
  const vm: VmRecord = { ...where, run, state: 'waiting', startedMs };
  await deps.migrations.putVm(id, vm);
  return vm;
}
