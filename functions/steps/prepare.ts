import { limits } from '../../core/limits.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { changeState } from '../records/change-state.ts';
import { gangOf, requireRunning } from '../records/require-migration.ts';
import type { StepDeps } from './deps.ts';
import { findSource } from './find-source.ts';
import type { InputOf } from './input.ts';
import { isRegistration } from './registration.ts';

/**
 * Finds where each VM is and leases it, so that no other migration moves it meanwhile. What an earlier run committed is
 * done with. A registration moves none: its host is asked what it holds, and may have to send that.
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
    vms: moving.map(({ name: vm }) => ({ vm })),
    destination: record.to,
  };
}

async function lease(deps: StepDeps, record: MigrationRecord, name: string): Promise<VmRecord> {
  const source = await findSource(deps, record, name);
  const nowMs = deps.clock.nowMs();
  const wanted = { migration: record.id, untilMs: nowMs + limits.lease_seconds * 1000 };
  const { epoch } = await deps.vms.lease(record.namespace, name, source, wanted, nowMs);
  const vm: VmRecord = { name, run: record.run, source, epoch, state: 'waiting', startedMs: nowMs };
  await deps.migrations.putVm(record.id, vm);
  return vm;
}
