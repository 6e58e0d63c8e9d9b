import type { ApiClient } from '../../adapters/api/client.ts';
import type { GuestFate } from '../../core/api/agent.ts';
import type { HostRef } from '../../core/api/names.ts';
import { hasCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { Log } from '../daemon/log.ts';
import type { RunningVms } from '../images/running-vms.ts';
import { connectUnlessGone } from '../live/put-back.ts';
import type { LiveRecord } from '../live/records.ts';
import { quit, resumeGuest } from '../qemu/guest.ts';
import type { Qmp } from '../qemu/qmp.ts';
import { cancelMigration, migrationStatus } from '../qemu/ram.ts';
import { vmFate } from './outcome.ts';

export interface TakeBackDeps {
  readonly ref: HostRef;
  /** A patient one: it asks until the cloud answers. */
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
}

interface Of {
  readonly migration: string;
  readonly vm: string;
  readonly task: string;
  readonly epoch: number;
}

/**
 * Makes sure that a VM is this host's: a commit that is under way fails from now on, and one that was done is undone. False
 * if the VM is the destination's and stays so. Errors: those of the API but refusals.
 */
export async function takeBack({ api, ref, log }: TakeBackDeps, of: Of, signal: AbortSignal): Promise<boolean> {
  const { migration, ...body } = of;
  try {
    const { owner } = await api.call('reclaim', { params: { migration }, body, signal });
    log.warn({ ...of, owner }, 'the VM was taken back from its destination');
    return owner === ref;
  } catch (error) {
    if (hasCode(error, 'VM_RUNS_ELSEWHERE', 'EPOCH_STALE')) return false;
    throw error;
  }
}

export interface SettleDeps extends TakeBackDeps {
  readonly running: Pick<RunningVms, 'remove'>;
}

/**
 * A VM whose guest was let go, or is gone, and which may be committed: waits for what its destination tells of the guest, for
 * `limits.guest_told_ms`; then it is taken back, which passes only if the guest has not run there and from then on can't.
 * Undefined if the guest never came there, and the VM was taken back. Errors: those of the
 * API but refusals of taking back.
 */
export async function untilTold(deps: TakeBackDeps, of: Of, signal: AbortSignal): Promise<GuestFate | undefined> {
  const endMs = deps.clock.nowMs() + limits.guest_told_ms;
  for (;;) {
    await deps.clock.sleep(limits.poll_busy_ms, signal);
    const { outcome, guest } = await vmFate(deps.api, of, signal);
    const mayCome = outcome === 'committed' && guest?.is !== 'lost';
    if (mayCome && guest !== undefined) return guest;
    if (!mayCome || deps.clock.nowMs() >= endMs) return (await takeBack(deps, of, signal)) ? undefined : { is: 'left' };
  }
}

/**
 * A run of the agent ended while a guest was being handed over, or its QEMU could not be asked any more. Its memory cannot
 * have gone unless QEMU says so: it runs on here, and the VM is taken back. If it has gone it is kept, stopped, until its
 * destination tells that it runs. A guest that is paused for its disk alone runs on once it is known to be ours.
 * Errors: those of connectQmp, of Qmp.execute, and of the API but refusals.
 */
export async function settleCutover(deps: SettleDeps, record: LiveRecord, signal: AbortSignal): Promise<void> {
  const { clock } = deps;
  const { vm, migration, cutover } = record;
  if (cutover === undefined) return;
  const of = { vm, migration, task: cutover.task, epoch: cutover.epoch };
  const qmp = await connectUnlessGone(record, { clock, signal });
  if (qmp === undefined) {
    // A commit that is under way must not pass unheard, and a destination that has no guest waits for our word.
    if (cutover.kind === 'ram') await untilTold(deps, of, signal);
    return;
  }
  try {
    if (cutover.kind === 'ram') await settleRam(deps, qmp, of, signal);
    else if (await takeBack(deps, of, signal)) await resumeGuest(qmp);
    else await letGo(deps, qmp, vm);
  } finally {
    qmp.close();
  }
}

async function settleRam(deps: SettleDeps, qmp: Qmp, of: Of, signal: AbortSignal): Promise<void> {
  if ((await migrationStatus(qmp, signal)) !== 'completed') await cancelMigration(qmp, deps.clock);
  if ((await migrationStatus(qmp, signal)) === 'completed') {
    const fate = await untilTold(deps, of, signal);
    return fate === undefined ? resumeGuest(qmp) : letGo(deps, qmp, of.vm);
  }
  await resumeGuest(qmp);
  // An operator may have left the VM to its destination.
  if (!(await takeBack(deps, of, signal))) await letGo(deps, qmp, of.vm);
}

async function letGo({ running }: SettleDeps, qmp: Qmp, vm: string): Promise<void> {
  await running.remove(vm);
  await quit(qmp);
}
