import type { TaskInput } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { baseLayers, chainOf, seedsOf } from './gang.ts';
import type { TASK_STATES } from './input.ts';

type Kind = (typeof TASK_STATES)[number];

/** What an agent is asked to do, made from the records; `what` is the VM or the host that the task is about. */
export function taskInput(record: MigrationRecord, gang: readonly VmRecord[], kind: Kind, what: string): TaskInput {
  const about = { migration: record.id, run: record.run, chunk_bytes: record.chunkBytes };
  switch (kind) {
    case 'survey': {
      const kinds = record.kinds === undefined ? {} : { kinds: [...record.kinds] };
      const vms = gang.filter((vm) => vm.source === what).map(({ name }) => ({ name, ...kinds }));
      return { kind, ...about, policy: record.policy, vms };
    }
    case 'seed':
      return { kind, ...about, layers: seedsOf(gang, what) };
    case 'fetch':
      return { kind, ...about, layers: baseLayers(gang) };
    case 'cutover':
    case 'follow': {
      const vm = vmOf(gang, what);
      return { kind, ...about, epoch: vm.epoch, chain: { vm: vm.name, layers: chainOf(vm) } };
    }
    case 'round':
      throw new LayerMoverError('ROUND_REFUSED', `${what} is stopped: there is nothing to copy before its cutover`);
  }
}

export function vmOf(gang: readonly VmRecord[], name: string): VmRecord {
  const vm = gang.find((each) => each.name === name);
  if (vm === undefined) throw new LayerMoverError('VM_UNKNOWN', `the migration has no VM ${name}`);
  return vm;
}
