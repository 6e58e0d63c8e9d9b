import type { VmRegistry } from '../../core/ports.ts';
import { commitVm, leaseVm, reclaimVm, releaseVm, runVm } from '../rules/ownership.ts';
import { openCells } from './cells.ts';
import { ownershipItem } from './items.ts';
import type { Table } from './table.ts';
import type { Key } from './table-options.ts';

/** Who owns which VM, in the `vms` table. */
export function createVmRegistry(table: Table): VmRegistry {
  const vms = openCells(table, ownershipItem, (ownership) => ({ ...ownership }));

  return {
    find: (namespace, vm) => vms.read(key(namespace, vm)),
    lease: (namespace, vm, source, lease, nowMs) =>
      vms.step(key(namespace, vm), (known) => leaseVm(known, { vm, source, lease }, nowMs)),
    commit: (namespace, vm, move) => vms.step(key(namespace, vm), (known) => commitVm(known, { vm, ...move })),
    release: (namespace, vm, migration) => vms.step(key(namespace, vm), (known) => releaseVm(known, migration)),
    run: (namespace, vm, at) => vms.step(key(namespace, vm), (known) => runVm(known, { vm, ...at })),
    reclaim: (namespace, vm, back) => vms.step(key(namespace, vm), (known) => reclaimVm(known, { vm, ...back })),
  };
}

function key(namespace: string, vm: string): Key {
  return { pk: `${namespace}#${vm}` };
}
