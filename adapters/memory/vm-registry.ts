import type { Ownership, VmRegistry } from '../../core/ports.ts';
import { commitVm, leaseVm, reclaimVm, releaseVm, runVm } from '../rules/ownership.ts';
import { createCells } from './cells.ts';

/** Who owns which VM, in memory. */
export function createMemoryVmRegistry(): VmRegistry {
  const vms = createCells<Ownership>();
  const key = (namespace: string, vm: string) => `${namespace}#${vm}`;

  return {
    async find(namespace, vm) {
      return vms.read(key(namespace, vm));
    },
    async lease(namespace, vm, source, lease, nowMs) {
      return vms.step(key(namespace, vm), (known) => leaseVm(known, { vm, source, lease }, nowMs));
    },
    async commit(namespace, vm, move) {
      return vms.step(key(namespace, vm), (known) => commitVm(known, { vm, ...move }));
    },
    async release(namespace, vm, migration) {
      vms.step(key(namespace, vm), (known) => releaseVm(known, migration));
    },
    async run(namespace, vm, at) {
      return vms.step(key(namespace, vm), (known) => runVm(known, { vm, ...at }));
    },
    async reclaim(namespace, vm, back) {
      return vms.step(key(namespace, vm), (known) => reclaimVm(known, { vm, ...back }));
    },
  };
}
