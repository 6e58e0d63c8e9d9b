import { errorToJson, hasCode } from '../../../core/errors.ts';
import { quit } from '../../qemu/guest.ts';
import { takeBack } from '../../tasks/take-back.ts';
import type { Handover } from '../handover.ts';
import type { Cutover } from './rounds.ts';

/**
 * The VM is committed. True if it has gone; false if nobody knows, which leaves it the destination's. Errors: RAM_FAILED if it
 * is proven that it has not gone: it runs on here then, if it could be taken back.
 */
export async function goOn(of: Cutover, handover: Handover): Promise<boolean> {
  const { log, live } = of.host;
  const { vm } = of.input.chain;
  try {
    await handover.goOn();
    return true;
  } catch (error) {
    if (!hasCode(error, 'RAM_FAILED')) {
      log.warn({ vm, error: errorToJson(error) }, 'the VM is committed; its QEMU can’t be asked whether it has gone');
      return false;
    }
    // Proven: no processor of the guest has run at the destination.
    if (!(await isTakenBack(of))) await letGo(of);
    else {
      await handover.giveUp();
      await live.note(vm, undefined);
    }
    throw error;
  }
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

/** The VM is the destination's: what runs here is not to run any more. */
export async function letGo({ host, session, input }: Cutover): Promise<void> {
  await quit(session.qmp);
  await host.live.gone(input.chain.vm);
}

/** Asked until the cloud answers: what the guest may do hangs on it. */
function isTakenBack({ host, run, input }: Cutover): Promise<boolean> {
  const { migration, epoch, chain } = input;
  return takeBack(host, { migration, vm: chain.vm, task: run.task, epoch }, host.live.stopping);
}
