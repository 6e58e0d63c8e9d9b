import type { TaskInput } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { MigrationRecord, VmRecord } from '../../core/records.ts';
import { baseLayers, chainOf, seedsOf } from './gang.ts';
import type { TASK_STATES } from './input.ts';
import { isRegistration, publishedSeeds, registerInput } from './registration.ts';

type Kind = (typeof TASK_STATES)[number];

/** What an agent is asked to do, made from the records; `what` is the VM or the host that the task is about. */
export function taskInput(record: MigrationRecord, gang: readonly VmRecord[], kind: Kind, what: string): TaskInput {
  const limited =
    record.maxRateBytesPerSecond === undefined ? {} : { max_rate_bytes_per_second: record.maxRateBytesPerSecond };
  const about = { migration: record.id, run: record.run, chunk_bytes: record.chunkBytes };
  switch (kind) {
    case 'survey': {
      if (isRegistration(record)) return registerInput(record);
      const kinds = record.kinds === undefined ? {} : { kinds: [...record.kinds] };
      const vms = gang.filter((vm) => vm.source === what).map(({ name }) => ({ name, ...kinds }));
      const live = record.live === undefined ? {} : { live: true };
      const planOnly = record.planOnly ? { plan_only: true } : {};
      // By kind or by time: user data is not read before it moves.
      const policy = record.policy === 'kind' ? 'auto' : record.policy;
      return { kind, ...about, ...limited, policy, ...live, ...planOnly, vms };
    }
    case 'seed':
      return {
        kind,
        ...about,
        ...limited,
        layers: isRegistration(record) ? publishedSeeds(record) : seedsOf(gang, what),
      };
    case 'fetch':
      return { kind, ...about, layers: baseLayers(gang) };
    case 'cutover':
      return { kind, ...about, ...limited, ...ofVm(record, vmOf(gang, what)) };
    case 'follow':
      return { kind, ...about, ...ofVm(record, vmOf(gang, what)) };
    case 'round':
      return { kind, ...about, ...limited, ...roundOf(record, vmOf(gang, what)) };
  }
}

function chainAt(vm: VmRecord) {
  return { epoch: vm.epoch, chain: { vm: vm.name, layers: chainOf(vm) } };
}

function ofVm({ live }: MigrationRecord, vm: VmRecord) {
  if (live === undefined) return chainAt(vm);
  const { cutover, maxDowntimeMs } = live;
  return { ...chainAt(vm), live: { cutover, max_downtime_ms: maxDowntimeMs, ...throttleOf(vm) } };
}

function roundOf({ live }: MigrationRecord, vm: VmRecord) {
  if (live !== undefined && vm.decided !== undefined)
    return { ...chainAt(vm), round: vm.decided.round, ...throttleOf(vm) };
  throw new LayerMoverError('ROUND_REFUSED', `${vm.name} is stopped: there is nothing to copy before its cutover`);
}

function throttleOf({ decided }: VmRecord) {
  const throttle = decided?.throttleBytesPerSecond;
  return throttle === undefined ? {} : { throttle_bytes_per_second: throttle };
}

export function vmOf(gang: readonly VmRecord[], name: string): VmRecord {
  const vm = gang.find((each) => each.name === name);
  if (vm === undefined) throw new LayerMoverError('VM_UNKNOWN', `the migration has no VM ${name}`);
  return vm;
}
