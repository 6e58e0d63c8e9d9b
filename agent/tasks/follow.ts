import type { StreamCounts, TaskResult } from '../../core/api/tasks.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Waiting } from '../images/arrivals.ts';
import {
  allOrNone,
  announceBases,
  chainsOf,
  type FollowInput,
  findArrived,
  storeReceipt,
  wantedTops,
} from './arrived-vm.ts';
import { vmOutcome } from './outcome.ts';
import { readBackVm, receiveLayer } from './receive.ts';
import { settle } from './settle.ts';
import type { TaskHost, TaskRun } from './task.ts';

/**
 * Pulls a VM's top layers as their source sends them, once what they lie on is here, reads them back and tells what the whole
 * chains hold. The files get their names when the source has committed the VM, and go if the VM is rolled back; the task ends with that.
 * Errors: LAYER_LOST, ROLLED_BACK and those of receiveLayer.
 */
export async function follow(host: TaskHost, run: TaskRun, input: FollowInput): Promise<TaskResult> {
  const { migration, chain } = input;
  const early = findArrived(host, input);
  // An attempt before this one may have ended with the VM here and not come to report it.
  const outcome = run.attempt > 1 ? await vmOutcome(host.api, migration, chain.vm, run.signal) : 'moving';
  if (outcome === 'committed' && early === undefined) return { kind: 'follow', streams: [] };
  const streams = early === undefined ? await receiveTops(host, run, input) : [];
  // What an earlier attempt brought must still be what that attempt read back.
  if (early !== undefined) await readBackVm(host, run, early);
  const arrived = early ?? findArrived(host, input)!;
  const chains = await chainsOf(host, run, input, arrived);
  await storeReceipt(host, run, input, chains);
  await untilSettled(host, run, arrived);
  await announceBases(host, run, chains);
  return { kind: 'follow', streams };
}

/** One disk after the other, as their source sends them. */
async function receiveTops(host: TaskHost, run: TaskRun, input: FollowInput): Promise<StreamCounts[]> {
  let before: Promise<unknown> = Promise.resolve();
  const coming = wantedTops(host, run, input).map((wanted) => {
    const one = Promise.all([wanted, before]).then(([top]) => receiveLayer(host, run, top));
    before = one;
    return one;
  });
  return allOrNone(host, coming);
}

/** Waits for the source's commit. Short waits are noticed soon, long ones cost few calls. Errors: ROLLED_BACK. */
async function untilSettled(host: TaskHost, { signal }: TaskRun, arrived: Waiting): Promise<void> {
  const sinceMs = host.clock.nowMs();
  for (;;) {
    const outcome = await settle(host, arrived, signal);
    if (outcome === 'committed') return;
    if (outcome === 'rolled-back') {
      throw new LayerMoverError('ROLLED_BACK', `${arrived.name} stays with its source`);
    }
    const waitMs = (host.clock.nowMs() - sinceMs) / limits.poll_wait_share;
    await host.clock.sleep(Math.min(limits.poll_idle_ms, Math.max(limits.poll_fast_ms, waitMs)), signal);
  }
}
