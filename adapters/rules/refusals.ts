import type { HostRef } from '../../core/api/names.ts';
import { LayerMoverError } from '../../core/errors.ts';
import type { ByteRange, Ownership } from '../../core/ports.ts';

/** What every implementation of a registry says when a conditional write does not hold. */
export function hostTaken(host: HostRef): LayerMoverError {
  return new LayerMoverError('HOST_TAKEN', `${host} is enrolled by another identity`, {
    hint: 'enrol this host under another name, or use the identity that enrolled it',
    data: { host },
  });
}

export function identityBound(identity: string, namespace: string): LayerMoverError {
  return new LayerMoverError('IDENTITY_BOUND', `${identity} is bound to the namespace ${namespace}`, {
    hint: 'give a host of another namespace a role or a user of its own',
    data: { identity, namespace },
  });
}

export function vmOwnedElsewhere({ vm, owner }: Ownership): LayerMoverError {
  return new LayerMoverError('VM_OWNED_ELSEWHERE', `${vm} belongs to ${owner}`, {
    hint: `move it from ${owner}`,
    data: { vm, owner },
  });
}

export function vmLeased({ vm, lease }: Ownership): LayerMoverError {
  return new LayerMoverError('VM_LEASED', `${vm} is being moved by ${lease?.migration}`, {
    hint: `wait until it has ended (layermover status ${lease?.migration} --watch), or abort it`,
    data: { vm, migration: lease?.migration },
  });
}

export function epochStale(vm: string, migration: string, epoch: number): LayerMoverError {
  return new LayerMoverError('EPOCH_STALE', `${vm} is no longer ${migration}'s to commit at epoch ${epoch}`, {
    hint: 'nothing was changed; its owner is who it was',
    data: { vm, migration, epoch },
  });
}

export function vmRunsElsewhere({ vm, owner }: Ownership): LayerMoverError {
  return new LayerMoverError('VM_RUNS_ELSEWHERE', `${vm} runs at ${owner} already: it can’t be taken back`, {
    hint: 'stop it there first; then `layermover reclaim` takes it back by force',
    data: { vm, owner },
  });
}

/** Said to a destination that is about to run a VM. */
export function vmNotHere(vm: string, owner: HostRef, known: HostRef | undefined): LayerMoverError {
  return new LayerMoverError('VM_OWNED_ELSEWHERE', `${vm} is not ${owner}’s to run`, {
    hint: 'end what runs of it here: its source has taken it back, or has not committed it',
    data: { vm, owner: known },
  });
}

export function vmUnknown(migration: string, vm: string, run: number): LayerMoverError {
  return new LayerMoverError('VM_UNKNOWN', `run ${run} of ${migration} does not move ${vm}`, {
    data: { migration, vm, run },
  });
}

export function migrationUnknown(migration: string): LayerMoverError {
  return new LayerMoverError('MIGRATION_UNKNOWN', `there is no migration ${migration}`, { data: { migration } });
}

export function tokenDead(cause?: unknown): LayerMoverError {
  return new LayerMoverError('TOKEN_DEAD', 'the workflow no longer waits for this task', { cause });
}

export function contention(what: string): LayerMoverError {
  return new LayerMoverError('CONTENTION', `too many writers of ${what}`, { hint: 'run it again', data: { what } });
}

export function objectMissing(key: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('OBJECT_MISSING', `there is no object ${key}, or no right to read it`, {
    data: { key },
    cause,
  });
}

export function objectTooLarge(key: string, size: number, bytesMax: number): LayerMoverError {
  return new LayerMoverError('OBJECT_TOO_LARGE', `${key} has ${size} bytes, ${bytesMax} at the most are expected`, {
    data: { key, size, bytesMax },
  });
}

export function objectRange(key: string, { offset, length }: ByteRange, cause?: unknown): LayerMoverError {
  return new LayerMoverError('OBJECT_RANGE', `${key} does not hold ${length} bytes from ${offset}`, {
    data: { key, offset, length },
    cause,
  });
}
