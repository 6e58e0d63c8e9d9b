import { isDeepStrictEqual } from 'node:util';
import type { HostRef } from '../../core/api/names.ts';
import type { Ownership } from '../../core/ports.ts';
import { epochStale, vmLeased, vmNotHere, vmOwnedElsewhere, vmRunsElsewhere } from './refusals.ts';
import type { Step } from './step.ts';

type OwnershipStep = Step<Ownership, Ownership>;

/** Whoever asks first for a VM that nobody owns makes it the source's. Throws VM_OWNED_ELSEWHERE or VM_LEASED. */
export function leaseVm(
  known: Ownership | undefined,
  request: { vm: string; source: HostRef; lease: { migration: string; untilMs: number } },
  nowMs: number,
): OwnershipStep {
  const { vm, source, lease } = request;
  const current: Ownership = known ?? { vm, owner: source, epoch: 0 };
  if (current.owner !== source) throw vmOwnedElsewhere(current);
  const held = current.lease !== undefined && current.lease.untilMs > nowMs;
  if (held && current.lease?.migration !== lease.migration) throw vmLeased(current);
  if (isDeepStrictEqual(known?.lease, lease)) return { answer: current };
  return stored({ ...current, lease });
}

/** The new owner has no lease: the migration that moved the VM is done with it. Throws EPOCH_STALE. */
export function commitVm(
  known: Ownership | undefined,
  move: { vm: string; migration: string; to: HostRef; epoch: number; paused?: true },
): OwnershipStep {
  const { vm, migration, to, epoch, ...how } = move;
  const done = known?.broughtBy === migration && known.owner === to && known.epoch > epoch;
  if (done) return { answer: known };
  if (known?.epoch !== epoch || known.lease?.migration !== migration) throw epochStale(vm, migration, epoch);
  return stored({ vm, owner: to, epoch: epoch + 1, broughtBy: migration, ...how });
}

/** A migration may lease again what it gave back; the next epoch refuses a commit of the time before. */
export function releaseVm(known: Ownership | undefined, migration: string): Step<Ownership, void> {
  if (known?.lease?.migration !== migration) return { answer: undefined };
  return { answer: undefined, next: withoutLease(known) };
}

/** From now on the VM can't be taken back. Throws VM_OWNED_ELSEWHERE if that has happened, or nothing was committed. */
export function runVm(
  known: Ownership | undefined,
  { vm, migration, owner }: { vm: string; migration: string; owner: HostRef },
): OwnershipStep {
  if (known?.owner !== owner || known.broughtBy !== migration) throw vmNotHere(vm, owner, known?.owner);
  return known.runs ? { answer: known } : stored({ ...known, runs: true });
}

/**
 * Before the commit only the lease ends, after it the source is the owner again; the next epoch refuses what is under way.
 * Throws VM_RUNS_ELSEWHERE or EPOCH_STALE.
 */
export function reclaimVm(
  known: Ownership | undefined,
  back: { vm: string; migration: string; source: HostRef; epoch: number; force?: boolean },
): OwnershipStep {
  const { vm, migration, source, epoch, force = false } = back;
  if (known?.owner === source) {
    const mayCommit = known.lease?.migration === migration && known.epoch === epoch;
    return mayCommit ? stored(withoutLease(known)) : { answer: known };
  }
  const isBrought = known?.broughtBy === migration && known.epoch > epoch && known.lease === undefined;
  if (!isBrought) throw epochStale(vm, migration, epoch);
  if (known.runs && !force) throw vmRunsElsewhere(known);
  return stored({ vm, owner: source, epoch: known.epoch + 1, takenBack: migration });
}

function withoutLease({ lease: _ended, ...owned }: Ownership): Ownership {
  return { ...owned, epoch: owned.epoch + 1 };
}

function stored(next: Ownership): OwnershipStep {
  return { answer: next, next };
}
