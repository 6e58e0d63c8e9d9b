import type { Waiting } from '../images/arrivals.ts';
import { type VmOutcome, vmOutcome } from './outcome.ts';
import type { TaskHost } from './task.ts';

type Host = Pick<TaskHost, 'api' | 'arrivals' | 'launches' | 'log'>;

/**
 * A VM's top layer has arrived: once the VM is committed it gets its name, once it is rolled back it goes. As long as
 * that is not known it stays as it is; what may be the only owner's disk is never removed.
 */
export async function settle(
  { api, arrivals, launches, log }: Host,
  arrived: Waiting,
  signal?: AbortSignal,
): Promise<VmOutcome> {
  const outcome = await vmOutcome(api, arrived.migration, arrived.vm.name, signal);
  const fields = { migration: arrived.migration, vm: arrived.vm.name, path: arrived.path };
  const owner = { migration: arrived.migration, vm: arrived.vm.name };
  if (outcome === 'committed') {
    await launches.keep(owner);
    await arrivals.place(arrived);
    log.info(fields, 'the VM is here');
  } else if (outcome === 'rolled-back') {
    // A QEMU that waits for the guest goes before the file that it has open.
    await launches.end(owner);
    await arrivals.drop(arrived);
    log.info(fields, 'the VM stays where it was; its copy is removed');
  }
  return outcome;
}
