import type { HostRef } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { HostRecord } from '../../core/ports.ts';
import type { MigrationRecord } from '../../core/records.ts';
import type { StepDeps } from './deps.ts';

/**
 * The host that a VM moves away from: its owner; if nobody owns it yet, the host that the user named, or the one host
 * that announced it. Throws VM_UNKNOWN, VM_AMBIGUOUS, VM_OWNED_ELSEWHERE or VM_ALREADY_THERE.
 */
export async function findSource(deps: StepDeps, record: MigrationRecord, vm: string): Promise<HostRef> {
  const owner = (await deps.vms.find(record.namespace, vm))?.owner;
  const source = owner ?? (await announcer(deps, record, vm));
  if (source === record.to) {
    throw new LayerMoverError('VM_ALREADY_THERE', `${vm} is on ${source} already`, {
      hint: 'nothing is to be done; to move it elsewhere, name another host',
      data: { vm, host: source },
    });
  }
  if (record.from !== undefined && source !== record.from) {
    throw new LayerMoverError('VM_OWNED_ELSEWHERE', `${vm} belongs to ${source}, not to ${record.from}`, {
      hint: 'leave out where it comes from',
      data: { vm, owner: source },
    });
  }
  return source;
}

async function announcer(deps: StepDeps, record: MigrationRecord, vm: string): Promise<HostRef> {
  const hosts = await deps.hosts.list(record.namespace);
  const having = hosts.filter((host) => host.vms.includes(vm));
  const named = record.from === undefined ? having : having.filter((host) => host.ref === record.from);
  const [only, ...others] = named;
  if (only === undefined) throw vmUnknown(vm, record.from);
  if (others.length > 0) throw vmAmbiguous(vm, having);
  return only.ref;
}

function vmUnknown(vm: string, from: HostRef | undefined): LayerMoverError {
  return new LayerMoverError('VM_UNKNOWN', `${from ?? 'no host'} ${from ? 'has not' : 'has'} announced ${vm}`, {
    hint: 'check its name and that its host’s agent runs with the folder that holds its images',
    data: { vm },
  });
}

function vmAmbiguous(vm: string, hosts: readonly HostRecord[]): LayerMoverError {
  const refs = hosts.map((host) => host.ref);
  return new LayerMoverError('VM_AMBIGUOUS', `${refs.join(' and ')} have a VM ${vm}, and nobody owns it yet`, {
    hint: 'say which one is meant, with --from SITE/HOST',
    data: { vm, hosts: refs },
  });
}
