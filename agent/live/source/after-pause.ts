import { errorToJson, hasCode, LayerMoverError } from '../../../core/errors.ts';
import { quit } from '../../qemu/guest.ts';
import { takeBack, untilTold } from '../../tasks/take-back.ts';
import type { Handover } from '../handover.ts';
import type { Cutover } from './rounds.ts';

/**
 * The VM is committed: its guest goes, and is kept here, stopped, until its destination tells that it runs. Answers
 * when it did, by this host's clock; undefined if nobody knows. Errors: RAM_FAILED if it is proven that it has not gone,
 * GUEST_LOST if it has not come: it runs on here then, if it could be taken back. Those of the API, the signal's reason:
 * whoever settles the VM goes on.
 */
export async function goOn(of: Cutover, handover: Handover): Promise<number | undefined> {
  const { host, run, input } = of;
  const { vm } = input.chain;
  let goneMs: number | undefined;
  try {
    await handover.goOn();
    goneMs = host.clock.nowMs();
  } catch (error) {
    // Proven: no processor of the guest has run at the destination.
    if (hasCode(error, 'RAM_FAILED')) return await runOn(of, handover, error);
    host.log.warn(
      { vm, error: errorToJson(error) },
      'the VM is committed; its QEMU can’t be asked whether it has gone',
    );
  }
  if (input.live.cutover === 'stop') return goneMs;
  const fate = await untilTold(host, takenOf(of), run.signal);
  if (fate !== undefined)
    return goneMs === undefined || fate.is === 'left' ? undefined : goneMs + (fate.waited_ms ?? 0);
  await resume(of, handover);
  throw new LayerMoverError('GUEST_LOST', `${vm} did not come to its destination; it was taken back`, {
    hint: 'it runs on here, unless its QEMU has ended; the destination’s log tells why it did not come',
    data: { vm },
  });
}

async function runOn(of: Cutover, handover: Handover, error: unknown): Promise<never> {
  if (await isTakenBack(of)) await resume(of, handover);
  else await letGo(of);
  throw error;
}

async function resume({ host, input }: Cutover, handover: Handover): Promise<void> {
  await handover.giveUp();
  await host.live.note(input.chain.vm, undefined);
}

/** The guest runs on here, as soon as it is certain that it is ours to run. */
export async function recover(
  of: Cutover,
  handover: Handover,
  { error, isCommitting }: { error: unknown; isCommitting: boolean },
): Promise<void> {
  const { live, log } = of.host;
  const { vm } = of.input.chain;
  log.warn({ vm, error: errorToJson(error) }, 'the VM is not handed over');
  // A stale epoch alone proves that no attempt passed: another refusal may be that of a second one.
  const isUnknown = isCommitting && !hasCode(error, 'EPOCH_STALE');
  const isOurs = async () => !isUnknown || (await isTakenBack(of));
  const isStopped = of.input.live.cutover === 'stop';
  if (isStopped && !(await isOurs())) return letGo(of);
  await handover.giveUp();
  // A guest whose memory has not gone runs nowhere else: it does not wait for the cloud to answer.
  if (!isStopped && !(await isOurs())) return letGo(of);
  await live.note(vm, undefined);
}

/** The VM is the destination's: what runs here is not to run any more, and nobody may take it for the VM. */
export async function letGo({ host, session, input }: Cutover): Promise<void> {
  await host.running.remove(input.chain.vm);
  await quit(session.qmp);
  await host.live.gone(input.chain.vm);
}

/** Asked until the cloud answers: what the guest may do hangs on it. */
function isTakenBack(of: Cutover): Promise<boolean> {
  return takeBack(of.host, takenOf(of), of.host.live.stopping);
}

function takenOf({ run, input }: Cutover) {
  const { migration, epoch, chain } = input;
  return { migration, vm: chain.vm, task: run.task, epoch };
}
