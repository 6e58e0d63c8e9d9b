import { errorToJson } from '../../core/errors.ts';
import { isRefusal } from '../daemon/patient-client.ts';
import { partialPath, type Waiting } from '../images/arrivals.ts';
import { type VmOutcome, vmOutcome } from './outcome.ts';
import type { TaskHost } from './task.ts';

type Host = Pick<TaskHost, 'api' | 'arrivals' | 'log'>;

/**
 * A VM's top layer has arrived: once the VM is committed it gets its name, once it is rolled back it goes. As long as
 * that is not known it stays as it is; what may be the only owner's disk is never removed.
 */
export async function settle({ api, arrivals, log }: Host, arrived: Waiting, signal?: AbortSignal): Promise<VmOutcome> {
  const outcome = await vmOutcome(api, arrived.migration, arrived.vm.name, signal);
  const fields = { migration: arrived.migration, vm: arrived.vm.name, path: arrived.path };
  if (outcome === 'committed') {
    await arrivals.place(arrived);
    log.info(fields, 'the VM is here');
  } else if (outcome === 'rolled-back') {
    await arrivals.drop(arrived);
    log.info(fields, 'the VM stays where it was; its copy is removed');
  }
  return outcome;
}

/**
 * Gives a function that settles what tasks that ended early left, as far as the cloud tells. What the cloud knows
 * nothing of stays, and is told of once. Errors: those of the API but refusals.
 */
export function createSettler(host: Host): (signal: AbortSignal) => Promise<void> {
  const told = new Set<string>();
  return async (signal) => {
    for (const arrived of host.arrivals.waiting()) {
      try {
        await settle(host, arrived, signal);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        if (!told.has(arrived.path)) host.log.warn({ path: partialPath(arrived), error: errorToJson(error) }, UNKNOWN);
        told.add(arrived.path);
      }
    }
  };
}

const UNKNOWN = 'nobody can tell what became of the VM that this file is of; it is left as it is';
