import type { Waiting } from '../images/arrivals.ts';
import { type VmOutcome, vmOutcome } from './outcome.ts';
import type { TaskHost } from './task.ts';

type Host = Pick<TaskHost, 'api' | 'arrivals' | 'launches' | 'log' | 'running'>;

/**
 * A VM's disks have arrived: once it is committed they get their names, once it is rolled back they go. As long as
 * that is not known they stay as they are; what may be the only owner's disk is never removed.
 */
export async function settle(
  { api, arrivals, launches, log, running }: Host,
  arrived: Waiting,
  signal?: AbortSignal,
): Promise<VmOutcome> {
  const owner = { migration: arrived.migration, vm: arrived.name };
  const outcome = await vmOutcome(api, owner.migration, owner.vm, signal);
  const fields = { ...owner, paths: arrived.disks.map(({ path }) => path) };
  if (outcome === 'committed') {
    await launches.keep(owner);
    await running.outdate(owner.vm, fields.paths);
    await arrivals.placeVm(arrived);
    log.info(fields, 'the VM is here');
  } else if (outcome === 'rolled-back') {
    // A QEMU that waits for the guest goes before the files that it has open.
    await launches.end(owner);
    await arrivals.dropVm(arrived);
    log.info(fields, 'the VM stays where it was; its copy is removed');
  }
  return outcome;
}
