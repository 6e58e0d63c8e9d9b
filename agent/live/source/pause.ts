import { withDeadline } from '../../../adapters/deadline.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import { limits } from '../../../core/limits.ts';
import { assertAgreed, type Receipt } from '../../../core/receipt.ts';
import { abortable } from '../../flow/abortable.ts';
import { guestStatus } from '../../qemu/guest.ts';
import type { Qmp } from '../../qemu/qmp.ts';
import { commitVm } from '../../tasks/commit.ts';
import { liveReceipt } from './receipt.ts';
import type { Cutover } from './rounds.ts';

/**
 * The last round, and both sides' agreement on all that the VM holds. The guest is stopped all the while. Errors:
 * PAUSE_TOO_LONG, RECEIPTS_DIFFER, LAYER_CHANGED, those of sendRound.
 */
export async function agree({ host, run, input, rounds }: Cutover, theirs: Promise<Receipt>): Promise<Receipt> {
  const link = rounds.last?.stats.link_bytes_per_second ?? 0;
  const expectedMs = (1000 * rounds.remainingBytes) / Math.max(link, limits.rate_bytes_per_second_min);
  const ms = limits.pause_ms_max + Math.round(4 * expectedMs);
  const late = () => pauseTooLong(input.chain.vm, ms);
  const work = async (signal: AbortSignal) => {
    const { layerIds } = await rounds.end(signal);
    const own = await liveReceipt(host, input, layerIds);
    assertAgreed(own, await abortable(theirs, signal));
    return own;
  };
  return withDeadline(work, { clock: host.clock, ms, late, signal: run.signal });
}

/**
 * What both sides agree on is what the guest has, as long as it is there and nobody has let it run on meanwhile. Errors:
 * GUEST_RESUMED, QMP_LOST if its QEMU has ended.
 */
export async function assertStopped(qmp: Qmp, vm: string, signal: AbortSignal): Promise<void> {
  if (!(await guestStatus(qmp, signal)).running) return;
  throw new LayerMoverError('GUEST_RESUMED', `somebody let ${vm} run on while it was handed over`, {
    hint: 'it stays here; leave it to LayerMover while it migrates, and `layermover resume ID`',
    data: { vm },
  });
}

/**
 * A guest that waits to go waits for the answer for some time; one that is paused as long as it takes. Errors: COMMIT_UNKNOWN,
 * those of commitVm.
 */
export async function commit(
  { host, run, input }: Cutover,
  receipt: Receipt,
  guest: { wasRunning: boolean },
): Promise<void> {
  const { signal } = run;
  const ask = (within: AbortSignal) => commitVm(host, { ...run, signal: within }, input, receipt, guest);
  if (input.live.cutover === 'stop') return ask(signal);
  await withDeadline(ask, { clock: host.clock, ms: limits.commit_unknown_ms_max, late: commitUnknown, signal });
}

function commitUnknown(): LayerMoverError {
  return new LayerMoverError('COMMIT_UNKNOWN', `the cloud did not answer within ${limits.commit_unknown_ms_max} ms`, {
    hint: 'the guest runs on here and is taken back as soon as the cloud answers; `layermover resume ID` tries again',
  });
}

function pauseTooLong(vm: string, ms: number): LayerMoverError {
  return new LayerMoverError('PAUSE_TOO_LONG', `${vm} was stopped for ${ms} ms and its destination had not all of it`, {
    hint: 'the guest runs on here; see whether destination and network keep up, then `layermover resume ID`',
    data: { vm },
  });
}
