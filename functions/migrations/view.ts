import type { MigrationSummary, MigrationView, ReceiptsView, VmView } from '../../core/api/views.ts';
import type { Receipt } from '../../core/receipt.ts';
import { contentDigest } from '../../core/receipt.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { gangOf } from '../records/require-migration.ts';
import type { MigrationDeps } from './deps.ts';
import { Counts } from './layer-view.ts';
import { liveView, modeView } from './live-view.ts';

export function summaryOf(record: MigrationRecord): MigrationSummary {
  return {
    id: record.id,
    state: record.state,
    to: record.to,
    policy: record.policy,
    ...modeView(record),
    run: record.run,
    created_ms: record.createdMs,
    updated_ms: record.updatedMs,
    ...(record.endedMs === undefined ? {} : { ended_ms: record.endedMs }),
    abort_requested: record.abortRequested ?? false,
    ...(record.planOnly ? { plan_only: true } : {}),
    vm_names: [...record.vmNames],
    ...(record.error === undefined ? {} : { error: record.error }),
  };
}

/** A migration as users see it: its record, its VMs, and what both sides counted of each layer. */
export async function viewOf(
  deps: Pick<MigrationDeps, 'migrations' | 'clock'>,
  record: MigrationRecord,
): Promise<MigrationView> {
  const [vms, streams] = await Promise.all([gangOf(deps, record), deps.migrations.streams(record.id)]);
  const counts = new Counts(streams);
  const nowMs = deps.clock.nowMs();
  const forecast = record.forecast === undefined ? {} : { forecast: record.forecast };
  return { ...summaryOf(record), ...forecast, vms: vms.map((vm) => vmView(vm, counts, nowMs)) };
}

function vmView(vm: VmRecord, counts: Counts, nowMs: number): VmView {
  const layers = (vm.layers ?? []).map((layer) => counts.layerView(layer));
  const sum = (key: 'logical_bytes' | 'wire_bytes' | 'stored_bytes') =>
    layers.reduce((all, each) => all + each[key], 0);
  const equal = agree(vm);
  return {
    name: vm.name,
    source: vm.source,
    state: vm.state,
    ...(equal === undefined ? {} : { equal }),
    logical_bytes: sum('logical_bytes'),
    wire_bytes: sum('wire_bytes'),
    stored_bytes: sum('stored_bytes'),
    seconds: Math.max(0, (vm.endedMs ?? nowMs) - (vm.startedMs ?? nowMs)) / 1000,
    layers,
    ...liveView(vm),
    ...(vm.error === undefined ? {} : { error: vm.error }),
  };
}

/** Whether both sides hold the same; undefined until both have said what they hold. */
function agree({ sourceReceipt, destinationReceipt }: VmRecord): boolean | undefined {
  if (sourceReceipt === undefined || destinationReceipt === undefined) return undefined;
  return contentDigest(sourceReceipt) === contentDigest(destinationReceipt);
}

/** Both sides' receipts of each VM. */
export async function receiptsOf(
  deps: Pick<MigrationDeps, 'migrations'>,
  record: MigrationRecord,
): Promise<ReceiptsView> {
  const vms = await gangOf(deps, record);
  return {
    migration: record.id,
    vms: vms.map((vm) => {
      const equal = agree(vm) ?? false;
      return {
        vm: vm.name,
        agree: equal,
        ...(equal ? { content_digest: contentDigest(vm.sourceReceipt!) } : {}),
        ...(vm.sourceReceipt === undefined ? {} : { source: plain(vm.sourceReceipt) }),
        ...(vm.destinationReceipt === undefined ? {} : { destination: plain(vm.destinationReceipt) }),
      };
    }),
  };
}

function plain(receipt: Receipt) {
  return { ...receipt, layers: [...receipt.layers] };
}
