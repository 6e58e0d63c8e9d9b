import { errorToJson, hasCode } from '../../core/errors.ts';
import { hasEnded, type MigrationState } from '../../core/migration.ts';
import { isRefusal } from '../daemon/patient-client.ts';
import { partialPath, type Waiting } from '../images/arrivals.ts';
import type { BroughtLayer } from '../images/brought.ts';
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
 * Gives a function that settles what tasks that ended early left, as far as the cloud tells, to be called while no task
 * runs. What the cloud knows nothing of stays, and is told of once. `onSettled` hears of base layers that the host has
 * for good now. Errors: those of the API but refusals.
 */
export function createSettler(host: Host & Bases, onSettled: () => void): (signal: AbortSignal) => Promise<void> {
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
    if (await settleBases(host, signal)) onSettled();
  };
}

const UNKNOWN = 'nobody can tell what became of the VM that this file is of; it is left as it is';

type Bases = Pick<TaskHost, 'brought'>;

/**
 * Base layers that migrations brought go when all of these were aborted, so that all is as it was before, and stay when
 * one has ended otherwise or another image came to need them. Answers whether any stay.
 */
async function settleBases({ api, brought, log }: Host & Bases, signal: AbortSignal): Promise<boolean> {
  const ends = new Map<string, MigrationState | undefined>();
  for (const migration of new Set(brought.all().flatMap(({ migrations }) => migrations)))
    ends.set(migration, await endOf(api, migration, signal));
  const endsOf = ({ migrations }: BroughtLayer) => migrations.map((migration) => ends.get(migration));
  const ended = brought.all().filter((layer) => !endsOf(layer).includes(undefined));
  const inVain = ended.filter((layer) => endsOf(layer).every((end) => end === 'aborted'));
  for (let before = inVain.length + 1; inVain.length < before; ) {
    before = inVain.length;
    // Each pass removes those that no other lies on.
    for (const layer of [...inVain]) {
      if (!(await brought.takeBack(layer))) continue;
      log.info({ path: layer.path }, 'its migration was aborted: the base layer that it brought is removed');
      inVain.splice(inVain.indexOf(layer), 1);
    }
  }
  const staying = brought.all().filter((layer) => ended.includes(layer));
  for (const { layerId } of staying) await brought.keep(layerId);
  return staying.length > 0;
}

/** How a migration ended; undefined as long as it has not, or the cloud does not tell. */
async function endOf(api: Host['api'], migration: string, signal: AbortSignal): Promise<MigrationState | undefined> {
  try {
    const { state } = await api.call('getMigration', { params: { migration }, signal });
    return hasEnded(state) ? state : undefined;
  } catch (error) {
    if (hasCode(error, 'MIGRATION_UNKNOWN')) return 'failed';
    if (isRefusal(error)) return undefined;
    throw error;
  }
}
